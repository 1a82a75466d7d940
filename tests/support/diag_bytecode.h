#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/socket.h"

namespace socktrace::test {

// INET_DIAG_REQ_BYTECODE as the kernel treats it (net/ipv4/inet_diag.c).

// inet_diag_bc_audit(): empty when the kernel takes the program, else what is wrong with it and where.
std::string audit_bytecode(std::span<const std::byte> program);

// inet_diag_bc_run() on a program that passed: whether the kernel reports the socket.
bool run_bytecode(std::span<const std::byte> program, const Socket& socket);

}  // namespace socktrace::test
