#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace socktrace {

struct LogLine {
  std::string_view text;  // without its newline; empty when it was given up
  uint64_t number = 0;    // from 1 in each file
  uint64_t offset = 0;    // bytes before it in its file
  bool too_long = false;  // more than 16 MiB: not ours, and not kept
};

// Takes the bytes of log files in pieces of any size and gives them back as lines.
class LineSplitter {
 public:
  using Sink = std::function<void(const LogLine&)>;

  void feed(std::string_view bytes, const Sink& sink);
  // What is fed next is this line (numbers from 1), this many bytes into its file.
  void continue_at(uint64_t line, uint64_t offset);
  // The end of one file; the next begins with line 1. The value is the number of bytes of a last line without
  // newline, which is dropped: its writer was killed, or is still writing.
  uint64_t end_file();

 private:
  std::string partial_;    // a line whose end has not come yet
  bool too_long_ = false;  // it was given up
  uint64_t offset_ = 0;
  uint64_t lines_ = 0;
};

}  // namespace socktrace
