#pragma once

#include <string>
#include <string_view>

namespace socktrace::ss {

// The text of `ss -s`, from what /proc/net/sockstat, sockstat6 and snmp contain. Inside a network namespace
// the numbers of allocated and orphaned sockets are still those of the whole host, so that "closed" says
// little there.
std::string summary_text(std::string_view sockstat, std::string_view sockstat6, std::string_view snmp);

}  // namespace socktrace::ss
