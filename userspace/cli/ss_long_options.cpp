#include "cli/ss_long_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/ss_option_table.h"

namespace socktrace::cli {

std::vector<option> long_options() {
  std::vector<option> options;
  for (const SsOptionRow& row : ss_option_rows()) {
    const auto has_its_name = [&](const option& other) { return std::string_view(other.name) == row.name; };
    if (std::none_of(options.begin(), options.end(), has_its_name))
      options.push_back({row.name, row.argument ? required_argument : no_argument, nullptr, row.code});
  }
  options.push_back({});
  return options;
}

std::string completed(const std::string& word) {
  if (!word.starts_with("--") || word.size() == 2) return word;
  const size_t end = std::min(word.find('='), word.size());
  const std::string_view name = std::string_view(word).substr(2, end - 2);
  const SsOptionRow* only = nullptr;
  for (const SsOptionRow& row : ss_option_rows()) {
    if (name == row.name) return word;
    if (row.ours || !std::string_view(row.name).starts_with(name)) continue;
    if (only && std::string_view(only->name) != row.name) return word;
    only = &row;
  }
  return only ? "--" + std::string(only->name) + word.substr(end) : word;
}

std::string why_refused(std::string_view word) {
  const std::string_view name = word.starts_with("--") ? word.substr(2, word.find('=') - 2) : "";
  std::string candidates;
  for (const option& option : long_options()) {
    if (!option.name || name.empty() || !std::string_view(option.name).starts_with(name)) continue;
    if (option.name == name) return fmt::format("option --{} takes no value", name);
    candidates += fmt::format("{}--{}", candidates.empty() ? "" : ", ", option.name);
  }
  return candidates.empty() ? fmt::format("unknown option {}", word)
                            : fmt::format("option --{} is ambiguous: {}", name, candidates);
}

}  // namespace socktrace::cli
