#pragma once

#include <span>
#include <string>
#include <vector>

namespace socktrace::filter {

enum class Token : uint8_t {
  word,  // anything else
  open,
  close,
  negation,
  both,
  either,
  equal,
  not_equal,
  at_least,
  at_most,
  greater,
  less,
  end,
};

struct Lexeme {
  Token token = Token::end;
  std::string text;
};

// Words split at blanks and tabs, a backslash taken as "the next character as it is", operators recognised by their
// spellings in ss. Ends with Token::end.
std::vector<Lexeme> tokenize(std::span<const std::string> words);

}  // namespace socktrace::filter
