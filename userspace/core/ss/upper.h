#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/diag/attributes.h"
#include "core/ss/line.h"

namespace socktrace::ss {

// Parts of the -i text beside tcp_info; each item begins with a blank.
void append_mptcp(std::string& out, const diag::Attributes& attributes);  // mptcp_info
void append_sctp(std::string& out, const diag::Attributes& attributes);   // addresses and sctp_info
std::string_view sctp_state_name(uint8_t state);  // "COOKIE_WAIT"; empty when there is none
void append_md5_keys(std::string& out, const diag::Attributes& attributes);  // TCP_MD5SIG, with CAP_NET_ADMIN
void append_upper_layer(std::string& out, const diag::Attributes& attributes);  // TLS, MPTCP subflow

}  // namespace socktrace::ss
