#pragma once

#include <optional>
#include <vector>

#include "core/filter/ast.h"
#include "core/filter/filter.h"
#include "core/filter/lexer.h"

namespace socktrace::filter {

// Recursive descent over the lexemes; see the grammar in filter.h.
class Parser {
 public:
  Parser(std::vector<Lexeme> lexemes, const FilterOptions& options)
      : lexemes_(std::move(lexemes)), options_(options) {}

  Result<void> parse();

  std::optional<Node> root;
  std::optional<StateMask> states;
  std::optional<Family> family;

 private:
  using NodeResult = Result<Node>;

  [[nodiscard]] const Lexeme& peek() const { return lexemes_[position_]; }
  Lexeme take();
  Result<void> parse_states();
  NodeResult parse_list(int depth);
  NodeResult parse_unary(int depth);
  NodeResult parse_predicate();
  Result<void> parse_value(Predicate& predicate, const Lexeme& value);
  Result<void> parse_port_value(Predicate& predicate, const Lexeme& value);

  std::vector<Lexeme> lexemes_;
  size_t position_ = 0;
  size_t conditions_ = 0;
  const FilterOptions& options_;
};

}  // namespace socktrace::filter
