#pragma once

#include "core/diag/row.h"
#include "core/ss/line.h"
#include "core/ss/names.h"
#include "core/ss/options.h"

namespace socktrace::ss {

// The four address cells of a row, as ss writes them: the separator (":", for unix " ") ends the address
// cell.
void write_addresses(Line& line, const diag::Row& row, const Show& show, const Names& names);

// The text of an inet address: "127.0.0.1", "[::1]", "*" for an IPv6 wildcard that may be dual-stack, "[::]"
// for a v6-only one; with `resolve` the host's name.
void append_inet_address(std::string& out, Family family, const AddressBytes& address, bool v6_only);

}  // namespace socktrace::ss
