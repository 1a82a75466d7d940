// One sock_diag answer of any table (the first byte chooses), and everything that is printed of it.
#include <string>

#include "core/diag/row.h"
#include "core/fields.h"
#include "core/ss/json.h"
#include "core/ss/row_text.h"
#include "safe_text.h"
#include "target.h"

using namespace socktrace;

namespace {

ss::Names no_names() {
  return {
      .service = [](uint16_t, diag::Table) { return std::string_view(); },
      .ip_protocol = [](uint8_t) { return std::string_view(); },
      .interface = [](uint32_t, uint32_t) { return std::string_view(); },
      .host = [](Family, const AddressBytes&) { return std::string_view(); },
      .process = [](uint32_t) { return std::string("\x1b[2J\n"); },
      .cgroup = [](uint64_t) { return std::string("/\xff\xe2\x80\xae"); },
      .process_context = [](uint32_t) { return std::string("\x9b"); },
      .socket_context = [](uint32_t, int) { return std::string("\xc2\x9b"); },
      .map_value = [](uint32_t, std::span<const std::byte>) { return std::string("m"); },
  };
}

ss::Show everything(bool one_line) {
  ss::Show show;
  show.one_line = one_line;
  show.timer = show.extended = show.memory = show.information = show.processes = true;
  show.packet_filter = show.tos = show.cgroup = show.socket_options = show.tipc = true;
  show.process_contexts = show.socket_contexts = show.bpf_maps = true;
  return show;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto table = static_cast<diag::Table>(data[0] % diag::kTableCount);
  // A copy without room behind it, so that reading too far is seen.
  const std::vector<std::byte> message(reinterpret_cast<const std::byte*>(data) + 1,
                                       reinterpret_cast<const std::byte*>(data) + size);
  const Result<diag::Row> row = diag::parse_row(table, message);
  if (!row) {
    fuzz::require(row.error().kind == ErrorKind::damaged, "what cannot be parsed is damaged");
    return 0;
  }
  static const ss::Names names = no_names();
  ss::Line line;
  ss::write_row(line, *row, everything((data[0] & 128) != 0), names);
  fuzz::require(fuzz::is_safe_text(line.text, "\n\t"), "a row is safe on a terminal");
  std::string json;
  ss::append_json(json, *row);
  fuzz::require(fuzz::is_safe_text(json) && json.find('\n') == json.size() - 1, "a row is one JSON line");
  return 0;
}
