#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/record.h"
#include "core/result.h"
#include "probe/tracer.h"

namespace socktrace::source {

// The kernel's records, decoded, of all network namespaces.
class Live {
 public:
  static Result<Live> attach(const probe::Options& options);

  // Records wait in user space from now until release(), while a dump is being read: what they say is newer than it.
  void hold() { holding_ = true; }
  // Hands over what was held, then everything that has arrived since.
  Result<void> release(const std::function<void(const Record&)>& on_record);
  // Hands over what has arrived; while holding, only moves it out of the ring, so that the ring cannot overflow.
  Result<size_t> drain(const std::function<void(const Record&)>& on_record);

  [[nodiscard]] probe::Tracer& tracer() { return tracer_; }
  [[nodiscard]] const probe::Tracer& tracer() const { return tracer_; }
  // "bind errors are inferred": what the missing hooks cost, each once; empty when everything is attached.
  [[nodiscard]] std::vector<std::string> costs() const;

 private:
  explicit Live(probe::Tracer tracer) : tracer_(std::move(tracer)) {}

  probe::Tracer tracer_;
  bool holding_ = false;
  std::vector<Record> held_;
};

}  // namespace socktrace::source
