#include <benchmark/benchmark.h>

#include "core/filter/filter.h"
#include "core/log/decode.h"
#include "core/log/encode.h"
#include "core/log/record.h"
#include "sink/event_line.h"
#include "support/event_builder.h"

namespace socktrace {
namespace {

Event closed() {
  return test::EventBuilder(EventKind::tcp_closed, "127.0.0.1:80")
      .peer("127.0.0.1:40000")
      .cookie(7)
      .state(State::close, State::established)
      .at(2'000'000'000)
      .opened(1'000'000'000)
      .by(test::process(200, "server", "www", "web.service"), 5)
      .owned_by(test::process(200, "server", "www", "web.service"), 5)
      .lived(1'000'000'000)
      .stats({100, 200, 30, 0});
}

LogHeader header() {
  LogHeader made;
  made.session = "bench";
  made.realtime_ns = 1'789'873'200'000'000'000;
  made.boottime_ns = 1'000'000'000;
  made.next_seq = 1;
  return made;
}

void BM_Filter(benchmark::State& state) {
  const std::vector<std::string> words = {"state", "all",        "sport", "=",     ":80", "and",   "(",
                                          "dst",   "10.0.0.0/8", "or",    "dport", ">",   ":1024", ")"};
  const Result<Filter> filter = Filter::parse(words, {});
  if (!filter) return state.SkipWithError(filter.error().message.c_str());
  const Event event = closed();
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(filter->matches(event.socket, {}));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Filter);

void BM_EventLine(benchmark::State& state) {
  const Event event = closed();
  const WallClock clock;
  std::string out;
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    sink::append_event_line(out, event, clock, {.utc = true});
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_EventLine);

void BM_LogEncode(benchmark::State& state) {
  LogEncoder encoder;
  std::string out;
  encoder.header(out, header());
  const Event event = closed();
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    encoder.event(out, event);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LogEncode);

void BM_LogDecode(benchmark::State& state) {
  LogEncoder encoder;
  LogDecoder decoder;
  std::string first, line;
  encoder.header(first, header());
  encoder.event(line, closed());
  (void)decoder.decode(first);
  for ([[maybe_unused]] auto _ : state) {
    const Result<LogRecord> record = decoder.decode(line);
    if (!record) state.SkipWithError(record.error().message.c_str());
    benchmark::DoNotOptimize(record);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LogDecode);

}  // namespace
}  // namespace socktrace
