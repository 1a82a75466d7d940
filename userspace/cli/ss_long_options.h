#pragma once

#include <getopt.h>

#include <string>
#include <string_view>
#include <vector>

namespace socktrace::cli {

// The long options of `socktrace ss` for getopt_long(), each name once: it takes two of one name for ambiguous.
std::vector<option> long_options();

// A word in full, if it is a long option that is cut short as ss takes it: our own options do not make it ambiguous.
std::string completed(const std::string& word);

// Of a word that getopt_long() does not take for a long option: what is wrong with it.
std::string why_refused(std::string_view word);

}  // namespace socktrace::cli
