#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace socktrace {

// What the caller of the program can do about a failure; main maps it to the exit code (design: exit codes).
enum class ErrorKind { general, usage, privilege, unavailable, damaged };

// A failure in reading order: "read event log: open /x: No such file or directory".
struct Error {
  std::string message;
  ErrorKind kind = ErrorKind::general;
  int code = 0;  // errno, positive; 0 when no system call is behind it

  // The errno text after the context: system("open /x", ENOENT).
  static Error system(std::string_view context, int code, ErrorKind kind = ErrorKind::general);
  // The same failure, seen from further up.
  [[nodiscard]] Error within(std::string_view context) &&;
};

// A value or an Error, spelled like std::expected (C++23).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T& value() { return assert(has_value()), *std::get_if<0>(&state_); }
  const T& value() const { return assert(has_value()), *std::get_if<0>(&state_); }
  Error& error() { return assert(!has_value()), *std::get_if<1>(&state_); }
  const Error& error() const { return assert(!has_value()), *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }

  Error& error() { return assert(!has_value()), *error_; }
  const Error& error() const { return assert(!has_value()), *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace socktrace
