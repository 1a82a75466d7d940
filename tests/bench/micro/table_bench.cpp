#include <benchmark/benchmark.h>
#include <malloc.h>

#include "connection.h"
#include "core/table.h"
#include "support/event_builder.h"

namespace socktrace {
namespace {

size_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

Event established(size_t number) {
  Event event = test::EventBuilder(EventKind::tcp_established, "10.0.0.1:1")
                    .peer("10.0.0.2:443")
                    .state(State::established);
  event.socket.key.cookie = number;
  event.socket.local.port = static_cast<uint16_t>(1 + number % 60'000);
  event.socket.netns = static_cast<uint32_t>(number / 60'000);
  return event;
}

// A table that grows to so many sockets with one owner each: time for each event, and bytes for each socket. Both stay
// the same from a thousand to a million.
void BM_TableGrows(benchmark::State& state) {
  const auto sockets = static_cast<size_t>(state.range(0));
  const auto process = std::make_shared<const Process>();
  size_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) {
    Event event = established(0);
    event.socket.owners = {{.process = process, .fd = 5, .source = OwnerSource::call}};
    const size_t before = heap_bytes();
    Table table;
    for (size_t number = 1; number <= sockets; ++number) {
      event.socket.key.cookie = number;
      event.socket.local.port = static_cast<uint16_t>(1 + number % 60'000);
      event.socket.netns = static_cast<uint32_t>(number / 60'000);
      table.apply(event);
    }
    bytes = heap_bytes() - before;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(sockets));
  state.counters["bytes_per_socket"] = static_cast<double>(bytes) / static_cast<double>(sockets);
}
BENCHMARK(BM_TableGrows)->RangeMultiplier(10)->Range(1000, 1'000'000)->Unit(benchmark::kMillisecond);

// Records of connections that come and go, to events and the table, beside so many sockets that stay.
void BM_Tracker(benchmark::State& state) {
  Table table;
  for (size_t number = 1; number <= static_cast<size_t>(state.range(0)); ++number)
    table.apply(established((size_t{1} << 40) + number));
  const auto process = std::make_shared<const Process>();
  size_t events = 0;
  Tracker tracker(
      table, [&](const Task&) { return process; }, [&](Event&&) { ++events; });
  constexpr size_t kConnections = 1000;
  std::vector<std::array<Record, bench::kRecordsPerConnection>> connections;
  for (size_t number = 0; number < kConnections; ++number)
    connections.push_back(bench::connection(2 * number + 2, 2 * number + 3, number * 1000));
  uint64_t round = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (auto& records : connections)
      for (Record& record : records) {
        record.time_ns += test::kSecond;
        record.socket.key.cookie += 2 * kConnections;
        tracker.apply(record);
      }
    tracker.tick(++round * test::kSecond + test::kSecond / 2);
  }
  if (events == 0) state.SkipWithError("no events");
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(kConnections * bench::kRecordsPerConnection));
}
BENCHMARK(BM_Tracker)->Arg(0)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace socktrace
