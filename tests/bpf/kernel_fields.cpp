#include "bpf/kernel_fields.h"

#include <optional>
#include <string_view>

namespace socktrace::test {

uint32_t resolve(const btf* types, uint32_t id) {
  while (true) {
    const btf_type* type = btf__type_by_id(types, id);
    if (!btf_is_mod(type) && !btf_is_typedef(type) && !btf_is_type_tag(type)) return id;
    id = type->type;
  }
}

namespace {

std::string_view name_of(const btf* types, uint32_t offset) {
  return btf__name_by_offset(types, offset);
}

}  // namespace

std::optional<Field> find_field(const btf* types, uint32_t id, std::string_view name) {
  const btf_type* type = btf__type_by_id(types, id);
  const btf_member* members = btf_members(type);
  for (uint16_t i = 0; i < btf_vlen(type); ++i) {
    const std::string_view member = name_of(types, members[i].name_off);
    if (member == name) return Field{members[i].type, btf_member_bitfield_size(type, i)};
    if (!member.empty()) continue;
    const uint32_t inner = resolve(types, members[i].type);
    if (!btf_is_composite(btf__type_by_id(types, inner))) continue;
    if (std::optional<Field> found = find_field(types, inner, name)) return found;
  }
  return std::nullopt;
}

std::vector<NamedStruct> kernel_structs(const btf* ours) {
  std::vector<NamedStruct> structs;
  for (uint32_t id = 1; id < btf__type_cnt(ours); ++id) {
    const btf_type* type = btf__type_by_id(ours, id);
    const std::string_view name = name_of(ours, type->name_off);
    // BTF-defined maps are structs of pointers; ours are named st_*, libbpf's macros may leave others anonymous.
    if (btf_is_struct(type) && !name.empty() && !name.starts_with("st_") && btf_vlen(type) != 0)
      structs.push_back({id, std::string(name)});
  }
  return structs;
}

namespace {

class Comparison {
 public:
  Comparison(const btf* ours, const btf* kernel) : ours_(ours), kernel_(kernel) {}

  FieldReport run() {
    for (const NamedStruct& type : kernel_structs(ours_)) compare_named(type.id, type.name);
    return std::move(report_);
  }

 private:
  void differ(const std::string& path, const std::string& how) {
    report_.differences.push_back(path + ": " + how);
  }

  void compare_named(uint32_t id, std::string_view name) {
    const size_t flavour = name.find("___");
    const std::string plain(name.substr(0, flavour));
    const int32_t theirs = btf__find_by_name_kind(kernel_, plain.c_str(), BTF_KIND_STRUCT);
    ++report_.types;
    if (theirs < 0)
      differ(plain, "the kernel has no such struct");
    else
      compare_members(id, static_cast<uint32_t>(theirs), plain, flavour == name.npos);
  }

  void compare_members(uint32_t ours, uint32_t theirs, const std::string& path, bool widths) {
    const btf_type* type = btf__type_by_id(ours_, ours);
    const btf_member* members = btf_members(type);
    for (uint16_t i = 0; i < btf_vlen(type); ++i) {
      const std::string_view name = name_of(ours_, members[i].name_off);
      if (name.empty()) {
        const uint32_t inner = resolve(ours_, members[i].type);
        if (btf_is_composite(btf__type_by_id(ours_, inner))) compare_members(inner, theirs, path, widths);
        continue;
      }
      ++report_.fields;
      const std::string field_path = path + "." + std::string(name);
      const std::optional<Field> field = find_field(kernel_, theirs, name);
      if (!field)
        differ(field_path, "the kernel has no such field");
      else if (widths)
        compare_field({members[i].type, btf_member_bitfield_size(type, i)}, *field, field_path);
    }
  }

  void compare_field(Field ours, Field theirs, const std::string& path) {
    if (ours.bits != theirs.bits)
      return differ(path, std::to_string(ours.bits) + " bits, the kernel has " + std::to_string(theirs.bits));
    const uint32_t our_id = resolve(ours_, ours.type);
    const uint32_t their_id = resolve(kernel_, theirs.type);
    const btf_type* our_type = btf__type_by_id(ours_, our_id);
    const btf_type* their_type = btf__type_by_id(kernel_, their_id);
    const bool composite = btf_is_composite(our_type);
    if (composite != btf_is_composite(their_type) || btf_is_ptr(our_type) != btf_is_ptr(their_type))
      return differ(path, "a different kind of type in the kernel");
    // A named struct is compared where it is declared; ours is a selection, so its size says nothing.
    if (composite && our_type->name_off != 0) {
      if (name_of(ours_, our_type->name_off) != name_of(kernel_, their_type->name_off))
        differ(path, "a different struct in the kernel");
      return;
    }
    if (composite) return compare_members(our_id, their_id, path, true);
    const int64_t our_size = btf__resolve_size(ours_, our_id);
    const int64_t their_size = btf__resolve_size(kernel_, their_id);
    if (our_size != their_size)
      differ(path, std::to_string(our_size) + " bytes, the kernel has " + std::to_string(their_size));
  }

  const btf* ours_;
  const btf* kernel_;
  FieldReport report_;
};

}  // namespace

FieldReport compare_fields(const btf* ours, const btf* kernel) {
  return Comparison(ours, kernel).run();
}

}  // namespace socktrace::test
