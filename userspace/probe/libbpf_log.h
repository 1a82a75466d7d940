#pragma once

#include <string>
#include <string_view>

namespace socktrace::probe {

// Collects libbpf's warnings of this thread while it lives, instead of letting them reach stderr. One at a
// time.
class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;

  [[nodiscard]] const std::string& text() const { return text_; }
  void clear() { text_.clear(); }

  // The program that the last "prog 'NAME': ..." message is about: the one that made loading stop. Empty:
  // none.
  [[nodiscard]] std::string failed_program() const;
  // The number of the helper that the verifier would not let the failed program call; 0: that was not the
  // reason.
  [[nodiscard]] int refused_helper() const;
  // The most telling line: what the verifier or the kernel said last about that failure.
  [[nodiscard]] std::string reason() const;

  void append(std::string_view line) { text_ += line; }

 private:
  std::string text_;
};

}  // namespace socktrace::probe
