#pragma once

#include <string>

#include "core/diag/row.h"
#include "core/ss/options.h"

namespace socktrace::ss {

// The text of -i: tcp_info, mptcp_info, congestion control, MD5 keys, upper layer protocol. Each item begins
// with a blank; nothing for what the kernel did not send.
void append_information(std::string& out, const diag::Row& row, const Show& show);

// A rate in bit/s as ss writes it: "7.1Gbps" without the "bps", or all digits when numeric.
void append_bandwidth(std::string& out, double bits_per_second, bool numeric);

}  // namespace socktrace::ss
