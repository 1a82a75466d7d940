#include "core/filter/parser.h"

#include <array>

#include "core/errno_name.h"
#include "core/filter/host.h"
#include "core/ss/selection.h"

namespace socktrace::filter {
namespace {

// Limits for hostile input, not for people: every level and every condition of a list is a call on the stack.
constexpr int kDeepest = 1000;  // parentheses and negations
constexpr size_t kMostConditions = 10'000;

// One row per predicate.
struct Word {
  std::string_view text;
  Subject subject;
  bool takes_value;
  bool ordered;  // may be compared with < and >
  bool negates;  // may be compared with !=
  std::string_view expects;
};
constexpr std::array kWords = {
    Word{"src", Subject::source, true, false, false, "an address"},
    Word{"dst", Subject::destination, true, false, false, "an address"},
    Word{"sport", Subject::source_port, true, true, true, "a port"},
    Word{"dport", Subject::destination_port, true, true, true, "a port"},
    Word{"dev", Subject::device, true, false, true, "an interface"},
    Word{"fwmark", Subject::mark, true, false, true, "a mark"},
    Word{"cgroup", Subject::cgroup, true, false, true, "a cgroup path"},
    Word{"autobound", Subject::autobound, false, false, false, ""},
    Word{"pid", Subject::pid, true, false, true, "a process id"},
    Word{"comm", Subject::command, true, false, true, "a command name"},
    Word{"user", Subject::user, true, false, true, "a user"},
    Word{"unit", Subject::unit, true, false, true, "a systemd unit"},
    Word{"container", Subject::container, true, false, true, "a container id or name"},
    Word{"netns", Subject::netns, true, false, true, "a network namespace"},
    Word{"event", Subject::event, true, false, true, "the name of an event"},
    Word{"errno", Subject::error, true, false, true, "an errno"},
};

Error usage(std::string message) {
  return {"filter: " + std::move(message), ErrorKind::usage};
}

std::string shown(const Lexeme& lexeme) {
  return lexeme.token == Token::end ? "the end" : "`" + lexeme.text + "`";
}

const Word* find_word(const std::string& text) {
  for (const Word& word : kWords)
    if (word.text == text) return &word;
  return nullptr;
}

Error unknown_word(const Lexeme& lexeme) {
  std::string message = "expected a condition (src, dst, sport, dport, state …), got " + shown(lexeme);
  if (lexeme.text.find_first_of("=<>!()&|") != std::string::npos)
    message += "; operators and parentheses stand between blanks: ( sport = :22 )";
  if (lexeme.text == "state" || lexeme.text == "exclude" || lexeme.text == "excl")
    message += "; states come before every other condition";
  return usage(message);
}

std::optional<Compare> comparison(Token token) {
  switch (token) {
    case Token::equal:
      return Compare::equal;
    case Token::not_equal:
      return Compare::not_equal;
    case Token::at_least:
      return Compare::at_least;
    case Token::at_most:
      return Compare::at_most;
    case Token::greater:
      return Compare::greater;
    case Token::less:
      return Compare::less;
    default:
      return std::nullopt;
  }
}

std::optional<uint32_t> parse_mark(std::string_view text) {
  const std::optional<uint64_t> number = parse_number(text);
  if (!number || *number > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

// By name, by index, or as the kernel's index is written where a device has no name: if3.
bool parse_device(std::string_view text, const FilterOptions& options, Predicate& predicate) {
  std::optional<uint64_t> index = parse_number(text);
  if (!index && options.names.device) {
    index = options.names.device(text);
    if (index && options.device_netns != 0) predicate.namespaces = {options.device_netns};
  }
  if (!index && text.starts_with("if")) index = parse_number(text.substr(2));
  predicate.number = index.value_or(0);
  return index.has_value();
}

}  // namespace

Lexeme Parser::take() {
  Lexeme lexeme = lexemes_[position_];
  if (lexeme.token != Token::end) ++position_;
  return lexeme;
}

Result<void> Parser::parse() {
  if (Result<void> parsed = parse_states(); !parsed) return parsed;
  if (peek().token == Token::end) return {};
  NodeResult list = parse_list(0);
  if (!list) return std::move(list.error());
  if (peek().token == Token::close) return usage("a `)` without its `(`");
  root = std::move(*list);
  return {};
}

Result<void> Parser::parse_states() {
  while (peek().token == Token::word &&
         (peek().text == "state" || peek().text == "exclude" || peek().text == "excl")) {
    const bool exclude = take().text != "state";
    const Lexeme name = take();
    const std::optional<StateMask> named = ss::states_from_name(name.text);
    if (!named)
      return usage("no state is called " + shown(name) +
                   "; try established, listening, time-wait, connected or all");
    if (exclude)
      states = states.value_or(ss::kAllStates) & ~*named;
    else
      states = states.value_or(0) | *named;
  }
  return {};
}

Parser::NodeResult Parser::parse_list(int depth) {
  Node list;
  list.kind = Node::Kind::list;
  for (Joint joint = Joint::both;;) {
    NodeResult operand = parse_unary(depth);
    if (!operand) return operand;
    operand->joint = joint;
    list.operands.push_back(std::move(*operand));
    const Token token = peek().token;
    if (token == Token::end || token == Token::close) break;
    if (token == Token::both || token == Token::either) take();
    joint = token == Token::either ? Joint::either : Joint::both;
  }
  if (list.operands.size() > 1) return list;
  Node only = std::move(list.operands.front());
  return only;
}

Parser::NodeResult Parser::parse_unary(int depth) {
  if (depth > kDeepest) return usage("parentheses and negations are nested more than 1000 deep");
  if (peek().token == Token::negation) {
    take();
    NodeResult operand = parse_unary(depth + 1);
    if (!operand) return operand;
    Node negation;
    negation.kind = Node::Kind::negation;
    negation.operands.push_back(std::move(*operand));
    return negation;
  }
  if (peek().token == Token::open) {
    take();
    NodeResult list = parse_list(depth + 1);
    if (!list) return list;
    if (take().token != Token::close) return usage("a `(` without its `)`");
    return list;
  }
  return parse_predicate();
}

Parser::NodeResult Parser::parse_predicate() {
  if (++conditions_ > kMostConditions) return usage("more than 10000 conditions");
  const Lexeme lexeme = take();
  const Word* word = lexeme.token == Token::word ? find_word(lexeme.text) : nullptr;
  if (word == nullptr) return unknown_word(lexeme);

  Node node;
  node.predicate.subject = word->subject;
  if (!word->takes_value) return node;
  if (const std::optional<Compare> compare = comparison(peek().token)) {
    const Lexeme sign = take();
    const bool ordering = *compare != Compare::equal && *compare != Compare::not_equal;
    if ((ordering && !word->ordered) || (*compare == Compare::not_equal && !word->negates))
      return usage("`" + lexeme.text + "` cannot be compared with `" + sign.text + "`" +
                   (word->negates ? "" : "; write  not " + lexeme.text + " …"));
    node.predicate.compare = *compare;
  }
  const Lexeme value = take();
  if (value.token != Token::word || find_word(value.text) != nullptr)
    return usage("expected " + std::string(word->expects) + " after `" + lexeme.text + "`, got " +
                 shown(value));
  if (Result<void> parsed = parse_value(node.predicate, value); !parsed) return std::move(parsed.error());
  return node;
}

Result<void> Parser::parse_value(Predicate& predicate, const Lexeme& value) {
  const FilterNames& names = options_.names;
  const auto set = [&](std::optional<uint64_t> number, const char* what) -> Result<void> {
    if (!number) return usage("`" + value.text + "` is no " + what);
    predicate.number = *number;
    return {};
  };
  switch (predicate.subject) {
    case Subject::source:
    case Subject::destination: {
      Result<ParsedHost> host = parse_host(value.text, HostPart::address, options_);
      if (!host) return std::move(host.error());
      predicate.hosts = std::move(host->conditions);
      if (host->prefix) family = host->prefix;
      return {};
    }
    case Subject::source_port:
    case Subject::destination_port:
      return parse_port_value(predicate, value);
    case Subject::device:
      if (!parse_device(value.text, options_, predicate))
        return usage("`" + value.text + "` is no interface");
      return {};
    case Subject::mark: {
      const size_t slash = value.text.find('/');
      if (slash != std::string::npos) {
        const std::optional<uint32_t> mask = parse_mark(std::string_view(value.text).substr(slash + 1));
        if (!mask) return usage("`" + value.text + "` has no 32-bit number after the slash");
        predicate.mask = *mask;
      }
      return set(parse_mark(std::string_view(value.text).substr(0, slash)), "mark (32 bits)");
    }
    case Subject::cgroup:
      return set(names.cgroup ? names.cgroup(value.text) : std::nullopt, "cgroup");
    case Subject::pid:
      return set(parse_number(value.text), "process id");
    case Subject::user: {
      std::optional<uint64_t> uid = parse_number(value.text);
      if (!uid && names.user) uid = names.user(value.text);
      return set(uid, "user");
    }
    case Subject::netns:
      if (const std::optional<uint64_t> inode = parse_number(value.text); inode && *inode <= UINT32_MAX)
        predicate.namespaces = {static_cast<uint32_t>(*inode)};
      else if (names.netns)
        predicate.namespaces = names.netns(value.text);
      if (predicate.namespaces.empty()) return usage("`" + value.text + "` is no network namespace");
      return {};
    case Subject::error: {
      std::optional<uint64_t> code = parse_number(value.text);
      if (!code)
        if (const std::optional<int> named = errno_from_name(value.text))
          code = static_cast<uint64_t>(*named);
      return set(code, "errno");
    }
    case Subject::command:
    case Subject::unit:
    case Subject::container:
    case Subject::event:
      predicate.text = value.text;
      return {};
    case Subject::autobound:
      return {};
  }
  return {};
}

Result<void> Parser::parse_port_value(Predicate& predicate, const Lexeme& value) {
  Result<ParsedHost> host = parse_host(value.text, HostPart::port, options_);
  if (!host) return std::move(host.error());
  if (host->prefix) family = host->prefix;
  const HostCondition& condition = host->conditions.front();
  const bool wide = condition.family == Family::netlink || condition.family == Family::vsock;
  if (wide ? condition.port != -1 : condition.family == Family::unspecified && condition.port >= 0) {
    predicate.number = static_cast<uint64_t>(int64_t{condition.port});
    return {};
  }
  // `sport = *`, `sport = unix:NAME`: only ports have an order.
  if (predicate.compare != Compare::equal && predicate.compare != Compare::not_equal)
    return usage("`" + value.text + "` can be compared with = and != only");
  predicate.subject = predicate.subject == Subject::source_port ? Subject::source : Subject::destination;
  predicate.hosts = std::move(host->conditions);
  return {};
}

}  // namespace socktrace::filter

namespace socktrace {

Result<Filter> Filter::parse(std::span<const std::string> words, const FilterOptions& options) {
  filter::Parser parser(filter::tokenize(words), options);
  if (Result<void> parsed = parser.parse(); !parsed) return std::move(parsed.error());
  Filter filter;
  if (parser.root) filter.root_ = std::make_shared<const filter::Node>(*std::move(parser.root));
  filter.states_ = parser.states;
  filter.family_ = parser.family;
  return filter;
}

}  // namespace socktrace
