// Filters as programs for the kernel (include/uapi/linux/inet_diag.h, net/ipv4/inet_diag.c).
//
// An operation has its own length in `yes`, where evaluation goes on when it holds, and in `no` the distance to go when it
// does not. A program accepts when evaluation ends exactly at its end, and rejects when it ends four bytes beyond.
#include <linux/inet_diag.h>

#include <cstring>

#include "core/filter/filter.h"

namespace socktrace {
namespace {

using filter::Compare;
using filter::HostCondition;
using filter::Joint;
using filter::Node;
using filter::Predicate;
using filter::Subject;

using Program = std::vector<std::byte>;

constexpr size_t kReject = 4;
constexpr size_t kLongest = 60'000;  // `no` is 16 bits wide

template <typename T>
void append(Program& program, const T& value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  program.insert(program.end(), bytes, bytes + sizeof(T));
}

inet_diag_bc_op operation(uint8_t code, size_t length, size_t no) {
  return {.code = code, .yes = static_cast<uint8_t>(length), .no = static_cast<uint16_t>(no)};
}

Program jump(size_t distance) {
  Program program;
  append(program, operation(INET_DIAG_BC_JMP, sizeof(inet_diag_bc_op), distance));
  return program;
}

Program join(Program a, const Program& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Program negation(Program operand) {
  return join(std::move(operand), jump(2 * kReject));
}

Program either(Program a, const Program& b) {
  return join(join(std::move(a), jump(b.size() + kReject)), b);
}

// The rejections of `a` have to pass over `b` as well.
Program both(Program a, const Program& b) {
  size_t position = 0;
  while (position < a.size()) {
    inet_diag_bc_op op{};
    std::memcpy(&op, &a[position], sizeof op);
    if (position + op.no == a.size() + kReject) {
      op.no = static_cast<uint16_t>(op.no + b.size());
      std::memcpy(&a[position], &op, sizeof op);
    }
    position += op.yes;
  }
  return join(std::move(a), b);
}

Program host(uint8_t code, const HostCondition& condition) {
  const size_t address = condition.family == Family::inet6 ? 16 : condition.family == Family::inet ? 4 : 0;
  const size_t length = sizeof(inet_diag_bc_op) + sizeof(inet_diag_hostcond) + address;
  Program program;
  append(program, operation(code, length, length + kReject));
  inet_diag_hostcond cond{};
  cond.family = static_cast<uint8_t>(condition.family);
  cond.prefix_len = condition.prefix_length;
  cond.port = condition.port;
  append(program, cond);
  const auto* bytes = reinterpret_cast<const std::byte*>(condition.address.data());
  program.insert(program.end(), bytes, bytes + address);
  return program;
}

Program port_range(uint8_t code, uint16_t port) {
  constexpr size_t kLength = 2 * sizeof(inet_diag_bc_op);
  Program program;
  append(program, operation(code, kLength, kLength + kReject));
  append(program, inet_diag_bc_op{.code = 0, .yes = 0, .no = port});
  return program;
}

std::optional<Program> ports(const Predicate& predicate) {
  if (predicate.number > UINT16_MAX) return std::nullopt;  // of netlink and vsock
  const bool source = predicate.subject == Subject::source_port;
  const auto port = static_cast<uint16_t>(predicate.number);
  const uint8_t ge = source ? INET_DIAG_BC_S_GE : INET_DIAG_BC_D_GE;
  const uint8_t le = source ? INET_DIAG_BC_S_LE : INET_DIAG_BC_D_LE;
  switch (predicate.compare) {
    case Compare::at_least:
      return port_range(ge, port);
    case Compare::at_most:
      return port_range(le, port);
    case Compare::greater:
      return negation(port_range(le, port));
    case Compare::less:
      return negation(port_range(ge, port));
    default:
      break;
  }
  HostCondition condition;
  condition.port = port;
  Program equal = host(source ? INET_DIAG_BC_S_COND : INET_DIAG_BC_D_COND, condition);
  return predicate.compare == Compare::equal ? equal : negation(std::move(equal));
}

// An operation that compares with one value, or its opposite.
template <typename Condition>
Program comparison(uint8_t code, const Condition& condition, Compare compare) {
  constexpr size_t kLength = sizeof(inet_diag_bc_op) + sizeof(Condition);
  Program program;
  append(program, operation(code, kLength, kLength + kReject));
  append(program, condition);
  return compare == Compare::not_equal ? negation(std::move(program)) : program;
}

std::optional<Program> compile_predicate(const Predicate& predicate, const MatchContext& context) {
  switch (predicate.subject) {
    case Subject::source_port:
    case Subject::destination_port:
      return ports(predicate);
    case Subject::source:
    case Subject::destination: {
      std::optional<Program> program;
      for (const HostCondition& condition : predicate.hosts) {
        if (condition.family != Family::inet && condition.family != Family::inet6 &&
            condition.family != Family::unspecified)
          return std::nullopt;
        Program one =
            host(predicate.subject == Subject::source ? INET_DIAG_BC_S_COND : INET_DIAG_BC_D_COND, condition);
        program = program ? either(std::move(*program), one) : std::move(one);
      }
      if (program && predicate.compare == Compare::not_equal) return negation(std::move(*program));
      return program;
    }
    case Subject::device:
      if (!predicate.namespaces.empty()) return std::nullopt;
      return comparison(INET_DIAG_BC_DEV_COND, static_cast<uint32_t>(predicate.number), predicate.compare);
    case Subject::mark: {
      if (!context.kernel_compares_marks) return std::nullopt;
      const inet_diag_markcond condition{.mark = static_cast<uint32_t>(predicate.number),
                                         .mask = predicate.mask};
      return comparison(INET_DIAG_BC_MARK_COND, condition, predicate.compare);
    }
    case Subject::autobound: {
      // The range is here as well, so that a negation is right: ss asks the kernel for the lock alone, negates that and the
      // range apart, and so loses accepted connections from `not autobound`.
      Program unlocked;
      append(unlocked,
             operation(INET_DIAG_BC_AUTO, sizeof(inet_diag_bc_op), sizeof(inet_diag_bc_op) + kReject));
      return both(both(std::move(unlocked), port_range(INET_DIAG_BC_S_GE, context.first_local_port)),
                  port_range(INET_DIAG_BC_S_LE, context.last_local_port));
    }
    default:  // and not cgroups: 5.10 refuses a program that looks at them
      return std::nullopt;
  }
}

// A program that accepts at least what a part of the filter accepts or, under a negation, at most that. Nothing when that would
// be every socket or, under a negation, none: the rest of the filter has to do without.
struct Part {
  std::optional<Program> program;
  bool has_autobound = false;
};

struct Compiler {
  const MatchContext& context;
  bool loses_autobound = false;  // a part that asks for it is in no program

  Part compile(const Node& node, bool negated) {
    switch (node.kind) {
      case Node::Kind::predicate:
        return {compile_predicate(node.predicate, context), node.predicate.subject == Subject::autobound};
      case Node::Kind::negation: {
        Part part = compile(node.operands.front(), !negated);
        if (part.program) part.program = negation(*std::move(part.program));
        return part;
      }
      case Node::Kind::list:
        break;
    }
    Part list = compile(node.operands.front(), negated);
    for (size_t i = 1; i < node.operands.size(); ++i) {
      const Node& operand = node.operands[i];
      list = joined(operand.joint, std::move(list), compile(operand, negated), negated);
    }
    return list;
  }

  Part joined(Joint joint, Part left, Part right, bool negated) {
    const bool is_both = joint == Joint::both;
    Part part{std::nullopt, left.has_autobound || right.has_autobound};
    if (left.program && right.program && left.program->size() + right.program->size() <= kLongest)
      part.program = is_both ? both(*std::move(left.program), *right.program)
                             : either(*std::move(left.program), *right.program);
    // One half of an `and` still rejects; of an `or` under a negation it still accepts.
    else if (!(left.program && right.program) && is_both != negated)
      part.program = left.program ? std::move(left.program) : std::move(right.program);
    else if (left.program || right.program)
      loses_autobound = loses_autobound || part.has_autobound;
    return part;
  }

  std::optional<Program> compile_all(const Node& root) {
    Part all = compile(root, false);
    if (!all.program || all.program->size() <= kLongest) return std::move(all.program);
    loses_autobound = loses_autobound || all.has_autobound;
    return std::nullopt;
  }
};

}  // namespace

std::optional<std::vector<std::byte>> Filter::bytecode(const MatchContext& context) const {
  return root_ ? Compiler{context}.compile_all(*root_) : std::nullopt;
}

bool Filter::loses_autobound(const MatchContext& context) const {
  if (!root_) return false;
  Compiler compiler{context};
  compiler.compile_all(*root_);
  return compiler.loses_autobound;
}

}  // namespace socktrace
