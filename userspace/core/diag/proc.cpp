#include <arpa/inet.h>
#include <sys/socket.h>

#include <charconv>

#include "core/diag/parse.h"

namespace socktrace::diag {
namespace {

// Takes words and numbers off a line; after the first mismatch everything else fails too.
class Scanner {
 public:
  explicit Scanner(std::string_view line) : rest_(line) {}

  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }
  void skip_word() {
    skip_blanks();
    rest_.remove_prefix(std::min(rest_.find_first_of(" \t"), rest_.size()));
  }
  void expect(char character) {
    if (rest_.empty() || rest_[0] != character)
      ok_ = false;
    else
      rest_.remove_prefix(1);
  }
  template <typename T>
  T number(int base, size_t digits = 20) {
    T value = 0;
    const std::string_view window = rest_.substr(0, digits);
    const auto [end, error] = std::from_chars(window.data(), window.data() + window.size(), value, base);
    if (error != std::errc()) ok_ = false;
    rest_.remove_prefix(static_cast<size_t>(end - window.data()));
    return value;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// "0100007F:0050": the address as words in host order, the port as a number.
Endpoint scan_endpoint(Scanner& scanner, Family family) {
  Endpoint end;
  scanner.skip_blanks();
  for (size_t word = 0; word < (family == Family::inet ? 1u : 4u); ++word) {
    const auto value = scanner.number<uint32_t>(16, 8);
    std::memcpy(end.address.data() + word * sizeof value, &value, sizeof value);
  }
  scanner.expect(':');
  end.port = scanner.number<uint16_t>(16, 4);
  return end;
}

}  // namespace

// fs/proc text of tcp4_seq_show, udp4_seq_show, raw_sock_seq_show and their v6 twins:
//   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref
//   pointer …
Result<Row> parse_proc_row(Table table, Family family, std::string_view line) {
  Row row{.table = table, .socket = {}, .timer = {}, .attributes = {}};
  Socket& socket = row.socket;
  Scanner scanner(line);
  scanner.skip_word();  // "12:"
  socket.family = family;
  socket.local = scan_endpoint(scanner, family);
  socket.peer = scan_endpoint(scanner, family);
  scanner.skip_blanks();
  socket.state = state(scanner.number<uint8_t>(16));
  scanner.skip_blanks();
  socket.send_q = scanner.number<uint32_t>(16);
  scanner.expect(':');
  socket.recv_q = scanner.number<uint32_t>(16);
  scanner.skip_blanks();
  row.timer.kind = scanner.number<uint8_t>(16);
  scanner.expect(':');
  row.timer.expires_ms = static_cast<uint32_t>(scanner.number<uint64_t>(16) * 10);  // clock ticks of 1/100 s
  scanner.skip_blanks();
  row.timer.retransmits = static_cast<uint8_t>(scanner.number<uint32_t>(16));
  scanner.skip_blanks();
  socket.uid = scanner.number<uint32_t>(10);
  scanner.skip_word();
  scanner.skip_blanks();
  socket.inode = scanner.number<uint32_t>(10);
  scanner.skip_word();
  scanner.skip_blanks();
  socket.key.sk = scanner.number<uint64_t>(16);
  if (!scanner.ok())
    return Error{"a line of /proc/net that is not a socket: " + std::string(line), ErrorKind::damaged};
  // kptr_restrict hides the pointer.
  if (socket.key.sk == 0) socket.key.sk = socket.inode;
  socket.protocol = protocol(table);
  socket.type = table == Table::raw ? SOCK_RAW : table == Table::tcp ? SOCK_STREAM : SOCK_DGRAM;
  if (table == Table::raw) {
    socket.protocol = socket.local.port;  // raw sockets have their protocol where others have a port
  }
  if (row.timer.is_timewait()) socket.uid = UINT32_MAX;  // it has no owner
  return row;
}

}  // namespace socktrace::diag
