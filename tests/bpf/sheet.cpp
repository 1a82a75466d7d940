#include "bpf/sheet.h"

#include <sstream>

#include "bpf/kernel_fields.h"

namespace socktrace::test {
namespace {

constexpr char kMissing[] = "missing";

bool is_flavour(const std::string& path) {
  return path.substr(0, path.find('.')).find("___") != std::string::npos;
}

std::string describe(const btf* types, const Field& field) {
  if (field.bits != 0) return ":" + std::to_string(field.bits);
  const uint32_t id = resolve(types, field.type);
  const btf_type* type = btf__type_by_id(types, id);
  if (btf_is_ptr(type)) return "pointer";
  if (btf_is_composite(type))
    return std::string(btf_is_union(type) ? "union " : "struct ") +
           btf__name_by_offset(types, type->name_off);
  return std::to_string(btf__resolve_size(types, id));
}

class Maker {
 public:
  Maker(const btf* ours, const btf* kernel) : ours_(ours), kernel_(kernel) {}

  Sheet run() {
    for (const NamedStruct& type : kernel_structs(ours_)) {
      const std::string plain = type.name.substr(0, type.name.find("___"));
      const int32_t theirs = btf__find_by_name_kind(kernel_, type.name.c_str(), BTF_KIND_STRUCT);
      const int32_t found =
          theirs >= 0 ? theirs : btf__find_by_name_kind(kernel_, plain.c_str(), BTF_KIND_STRUCT);
      members(type.id, found, type.name);
    }
    return std::move(sheet_);
  }

 private:
  // `theirs` below 0: the kernel has no such type.
  void members(uint32_t ours, int32_t theirs, const std::string& path) {
    const btf_type* type = btf__type_by_id(ours_, ours);
    const btf_member* all = btf_members(type);
    for (uint16_t i = 0; i < btf_vlen(type); ++i) {
      const std::string name = btf__name_by_offset(ours_, all[i].name_off);
      const uint32_t inner = resolve(ours_, all[i].type);
      const btf_type* inner_type = btf__type_by_id(ours_, inner);
      if (name.empty()) {
        if (btf_is_composite(inner_type)) members(inner, theirs, path);
        continue;
      }
      std::optional<Field> field;
      if (theirs >= 0) field = find_field(kernel_, static_cast<uint32_t>(theirs), name);
      const std::string here = path + "." + name;
      if (!field) {
        sheet_[here] = kMissing;
      } else if (btf_is_composite(inner_type) && inner_type->name_off == 0) {
        members(inner, static_cast<int32_t>(resolve(kernel_, field->type)), here);
      } else {
        sheet_[here] = describe(kernel_, *field);
      }
    }
  }

  const btf* ours_;
  const btf* kernel_;
  Sheet sheet_;
};

}  // namespace

Sheet make_sheet(const btf* ours, const btf* kernel) {
  return Maker(ours, kernel).run();
}

std::string to_text(const Sheet& sheet) {
  std::string text;
  for (const auto& [path, description] : sheet) text += path + ' ' + description + '\n';
  return text;
}

Sheet parse_sheet(const std::string& text) {
  Sheet sheet;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t blank = line.find(' ');
    if (line.starts_with('#') || blank == line.npos) continue;
    sheet[line.substr(0, blank)] = line.substr(blank + 1);
  }
  return sheet;
}

std::string differences(const Sheet& declared, const Sheet& kernel) {
  std::string text;
  for (const auto& [path, description] : declared) {
    const auto found = kernel.find(path);
    const std::string theirs = found == kernel.end() ? "not in the sheet" : found->second;
    const bool present = found != kernel.end() && theirs != kMissing;
    if (theirs != description && !(present && is_flavour(path)))
      text += path + ": we say " + description + ", the kernel " + theirs + '\n';
  }
  return text;
}

}  // namespace socktrace::test
