#include "core/ss/row_text.h"

#include "core/escape.h"
#include "core/ss/address.h"
#include "core/ss/rest.h"
#include "core/ss/upper.h"

namespace socktrace::ss {

void write_row(Line& line, const diag::Row& row, const Show& show, const Names& names) {
  line.clear();
  append_escaped(line.text, row.netns_name);
  line.end_cell();
  // As in ss, SCTP associations are listed under their endpoint.
  line.cell(row.association ? std::string() : netid(row.socket));
  if (row.association) line.text += "`- ";
  line.cell(row.association ? sctp_state_name(static_cast<uint8_t>(row.socket.state))
                            : ss_name(row.socket.state));
  // As in ss, the kernel's unsigned numbers with a sign.
  append_number(line.text, static_cast<int32_t>(row.socket.recv_q));
  line.end_cell();
  append_number(line.text, static_cast<int32_t>(row.socket.send_q));
  line.end_cell();
  write_addresses(line, row, show, names);
  append_rest(line.text, row, show, names);
  line.end_cell();
}

}  // namespace socktrace::ss
