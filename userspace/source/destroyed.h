#pragma once

#include <functional>

#include "core/result.h"
#include "source/dump.h"

namespace socktrace::source {

// The tables whose ends the kernel tells.
inline constexpr diag::TableSet kToldTables = diag::bit(diag::Table::tcp) | diag::bit(diag::Table::udp);

// Streams TCP and UDP sockets of the current network namespace as they end (SKNLGRP_INET*_DESTROY, 4.2), until the sink
// returns false. Needs no privilege. A row has the last addresses, tcp_info and cookie, but neither uid nor inode
// (the descriptor is closed), and always the state CLOSE; a connection in TIME_WAIT was told when it got there.
// `lost` is called when ends came faster than they were read and some were dropped.
Result<void> follow_destroyed(const DumpRequest& request, const RowSink& sink,
                              const std::function<void()>& lost);

}  // namespace socktrace::source
