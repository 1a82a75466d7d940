#include "support/diag_bytecode.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>

namespace socktrace::test {
namespace {

constexpr size_t kOp = sizeof(inet_diag_bc_op);

template <typename T>
T read(std::span<const std::byte> program, size_t at) {
  T value{};
  std::memcpy(&value, program.data() + at, sizeof value);
  return value;
}

// The address that follows a host condition; nothing for a family the kernel does not take.
std::optional<size_t> address_size(uint8_t family) {
  if (family == AF_UNSPEC) return 0;
  if (family == AF_INET) return 4;
  if (family == AF_INET6) return 16;
  return std::nullopt;
}

// The length of an operation with its operand. Nothing when it does not fit or is none.
std::optional<size_t> operation_size(std::span<const std::byte> program, size_t at) {
  const size_t left = program.size() - at;
  if (left < kOp) return std::nullopt;
  size_t size = kOp;
  switch (read<inet_diag_bc_op>(program, at).code) {
    case INET_DIAG_BC_NOP:
    case INET_DIAG_BC_JMP:
    case INET_DIAG_BC_AUTO:
      break;
    case INET_DIAG_BC_S_GE:
    case INET_DIAG_BC_S_LE:
    case INET_DIAG_BC_D_GE:
    case INET_DIAG_BC_D_LE:
    case INET_DIAG_BC_S_EQ:
    case INET_DIAG_BC_D_EQ:
      size += kOp;
      break;
    case INET_DIAG_BC_S_COND:
    case INET_DIAG_BC_D_COND: {
      size += sizeof(inet_diag_hostcond);
      if (left < size) return std::nullopt;
      const auto condition = read<inet_diag_hostcond>(program, at + kOp);
      const std::optional<size_t> address = address_size(condition.family);
      if (!address || condition.prefix_len > 8 * *address) return std::nullopt;
      size += *address;
      break;
    }
    case INET_DIAG_BC_DEV_COND:
      size += sizeof(uint32_t);
      break;
    case INET_DIAG_BC_MARK_COND:
      size += sizeof(inet_diag_markcond);
      break;
    case INET_DIAG_BC_CGROUP_COND:
      size += sizeof(uint64_t);
      break;
    default:
      return std::nullopt;
  }
  if (left < size) return std::nullopt;
  return size;
}

// Whether a walk by `yes` steps from the beginning comes to `target`: an operation begins there.
bool is_operation(std::span<const std::byte> program, size_t target) {
  size_t at = 0;
  while (at < target) {
    if (program.size() - at < kOp) return false;
    const auto op = read<inet_diag_bc_op>(program, at);
    if (op.yes < kOp || op.yes % 4 != 0) return false;
    at += op.yes;
  }
  return at == target;
}

bool same_bits(const uint8_t* address, const uint8_t* prefix, unsigned length) {
  for (unsigned bit = 0; bit < length; ++bit)
    if ((address[bit / 8] ^ prefix[bit / 8]) & (0x80U >> (bit % 8))) return false;
  return true;
}

bool host_holds(std::span<const std::byte> program, size_t at, const Socket& socket, const Endpoint& end) {
  const auto condition = read<inet_diag_hostcond>(program, at + kOp);
  const auto* prefix = reinterpret_cast<const uint8_t*>(program.data() + at + kOp + sizeof condition);
  const uint8_t* address = end.address.data();
  if (condition.port != -1 && condition.port != end.port) return false;
  if (condition.family != AF_UNSPEC && condition.family != static_cast<uint8_t>(socket.family)) {
    if (socket.family != Family::inet6 || condition.family != AF_INET) return false;
    const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(address, mapped, sizeof mapped) == 0 &&
           same_bits(address + sizeof mapped, prefix, condition.prefix_len);
  }
  return same_bits(address, prefix, condition.prefix_len);
}

bool holds(std::span<const std::byte> program, size_t at, const Socket& socket) {
  const auto port = [&] { return read<inet_diag_bc_op>(program, at + kOp).no; };
  switch (read<inet_diag_bc_op>(program, at).code) {
    case INET_DIAG_BC_JMP:
      return false;
    case INET_DIAG_BC_S_EQ:
      return socket.local.port == port();
    case INET_DIAG_BC_S_GE:
      return socket.local.port >= port();
    case INET_DIAG_BC_S_LE:
      return socket.local.port <= port();
    case INET_DIAG_BC_D_EQ:
      return socket.peer.port == port();
    case INET_DIAG_BC_D_GE:
      return socket.peer.port >= port();
    case INET_DIAG_BC_D_LE:
      return socket.peer.port <= port();
    case INET_DIAG_BC_AUTO:
      return !socket.options.port_locked;
    case INET_DIAG_BC_S_COND:
      return host_holds(program, at, socket, socket.local);
    case INET_DIAG_BC_D_COND:
      return host_holds(program, at, socket, socket.peer);
    case INET_DIAG_BC_DEV_COND:
      return socket.ifindex == read<uint32_t>(program, at + kOp);
    case INET_DIAG_BC_MARK_COND: {
      const auto condition = read<inet_diag_markcond>(program, at + kOp);
      return (socket.mark & condition.mask) == condition.mark;
    }
    case INET_DIAG_BC_CGROUP_COND:
      return socket.cgroup_id == read<uint64_t>(program, at + kOp);
    default:  // INET_DIAG_BC_NOP
      return true;
  }
}

}  // namespace

std::string audit_bytecode(std::span<const std::byte> program) {
  if (program.size() < kOp) return "no operation at all";
  size_t at = 0;
  while (at < program.size()) {
    const std::optional<size_t> size = operation_size(program, at);
    if (!size) return fmt::format("{}: no operation, or cut off", at);
    const auto op = read<inet_diag_bc_op>(program, at);
    const size_t farthest = program.size() - at + kOp;
    if (op.code != INET_DIAG_BC_NOP) {
      if (op.no < *size || op.no > farthest || op.no % 4 != 0) return fmt::format("{}: no {}", at, op.no);
      if (at + op.no < program.size() && !is_operation(program, at + op.no))
        return fmt::format("{}: no {} is between operations", at, op.no);
    }
    if (op.yes < *size || op.yes > farthest || op.yes % 4 != 0) return fmt::format("{}: yes {}", at, op.yes);
    at += op.yes;
  }
  return at == program.size() ? "" : "the last operation goes on beyond the end";
}

bool run_bytecode(std::span<const std::byte> program, const Socket& socket) {
  size_t at = 0;
  while (at < program.size()) {
    const auto op = read<inet_diag_bc_op>(program, at);
    at += holds(program, at, socket) ? op.yes : op.no;
  }
  return at == program.size();
}

}  // namespace socktrace::test
