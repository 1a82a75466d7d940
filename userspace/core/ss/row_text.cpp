#include "core/ss/row_text.h"

#include "core/escape.h"
#include "core/ss/address.h"
#include "core/ss/rest.h"

namespace socktrace::ss {

void write_row(Line& line, const diag::Row& row, const Show& show, const Names& names) {
  line.clear();
  append_escaped(line.text, row.netns_name);
  line.end_cell();
  line.cell(netid(row.socket));
  line.cell(ss_name(row.socket.state));
  // ss prints the kernel's unsigned numbers with a sign: the Send-Q of a dead UDP socket is -1.
  append_number(line.text, static_cast<int32_t>(row.socket.recv_q));
  line.end_cell();
  append_number(line.text, static_cast<int32_t>(row.socket.send_q));
  line.end_cell();
  write_addresses(line, row, show, names);
  append_rest(line.text, row, show, names);
  line.end_cell();
}

}  // namespace socktrace::ss
