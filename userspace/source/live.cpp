#include "source/live.h"

#include <algorithm>
#include <optional>

namespace socktrace::source {

Result<Live> Live::attach(const probe::Options& options) {
  Result<probe::Tracer> tracer = probe::Tracer::attach(options);
  if (!tracer) return std::move(tracer.error());
  return Live(std::move(*tracer));
}

Result<size_t> Live::drain(const std::function<void(const Record&)>& on_record) {
  std::optional<Error> damage;
  Result<size_t> count = tracer_.drain([&](std::span<const std::byte> bytes) {
    Result<Record> record = decode(bytes);
    if (!record) {
      if (!damage) damage = std::move(record.error());
      return;
    }
    if (holding_)
      held_.push_back(std::move(*record));
    else
      on_record(*record);
  });
  if (damage) return std::move(*damage);
  return count;
}

Result<void> Live::release(const std::function<void(const Record&)>& on_record) {
  holding_ = false;
  const std::vector<Record> held = std::exchange(held_, {});
  for (const Record& record : held) on_record(record);
  Result<size_t> drained = drain(on_record);
  if (!drained) return std::move(drained.error());
  return {};
}

std::vector<std::string> Live::costs() const {
  std::vector<std::string> costs;
  for (const probe::Hook& hook : tracer_.hooks())
    if (!hook.attached && std::find(costs.begin(), costs.end(), hook.cost) == costs.end())
      costs.push_back(hook.cost);
  return costs;
}

}  // namespace socktrace::source
