#include "core/filter/lexer.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace socktrace::filter {
namespace {

struct Spelling {
  std::string_view text;
  Token token;
};

constexpr std::array kSpellings = {
    Spelling{"(", Token::open},        Spelling{")", Token::close},      Spelling{"!", Token::negation},
    Spelling{"not", Token::negation},  Spelling{"&", Token::both},       Spelling{"&&", Token::both},
    Spelling{"and", Token::both},      Spelling{"|", Token::either},     Spelling{"||", Token::either},
    Spelling{"or", Token::either},     Spelling{"=", Token::equal},      Spelling{"==", Token::equal},
    Spelling{"eq", Token::equal},      Spelling{"!=", Token::not_equal}, Spelling{"ne", Token::not_equal},
    Spelling{"neq", Token::not_equal}, Spelling{">=", Token::at_least},  Spelling{"ge", Token::at_least},
    Spelling{"geq", Token::at_least},  Spelling{"<=", Token::at_most},   Spelling{"le", Token::at_most},
    Spelling{"leq", Token::at_most},   Spelling{">", Token::greater},    Spelling{"gt", Token::greater},
    Spelling{"<", Token::less},        Spelling{"lt", Token::less},
};

Token classify(std::string_view text) {
  for (const Spelling& spelling : kSpellings)
    if (spelling.text == text) return spelling.token;
  return Token::word;
}

}  // namespace

std::vector<Lexeme> tokenize(std::span<const std::string> words) {
  std::vector<Lexeme> lexemes;
  for (const std::string& word : words) {
    std::string text;
    bool begun = false;
    const auto finish = [&] {
      if (begun) lexemes.push_back({classify(text), text});
      text.clear();
      begun = false;
    };
    for (size_t i = 0; i < word.size(); ++i) {
      if (word[i] == ' ' || word[i] == '\t' || word[i] == '\n') {
        finish();
        continue;
      }
      begun = true;
      if (word[i] == '\\' && ++i == word.size()) break;  // one at the end keeps nothing
      text += word[i];
    }
    finish();
  }
  lexemes.push_back({});
  return lexemes;
}

}  // namespace socktrace::filter
