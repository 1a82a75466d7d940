#include <benchmark/benchmark.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>

#include "core/diag/row.h"
#include "core/ss/layout.h"
#include "core/ss/row_text.h"
#include "support/netlink_builder.h"

namespace socktrace {
namespace {

// An answer of sock_diag to a row of the ss table.
void BM_SsRow(benchmark::State& state) {
  inet_diag_msg message{};
  message.idiag_family = AF_INET;
  message.idiag_state = static_cast<uint8_t>(State::established);
  message.id.idiag_sport = htons(80);
  message.id.idiag_dport = htons(40000);
  const test::Bytes bytes = test::MessageBuilder(message).attribute(INET_DIAG_SHUTDOWN, uint8_t{0}).bytes();
  ss::Layout layout({}, [](std::string_view) { return true; });
  ss::Line line;
  const ss::Names names;
  for ([[maybe_unused]] auto _ : state) {
    const Result<diag::Row> row = diag::parse_row(diag::Table::tcp, bytes);
    if (!row) return state.SkipWithError("row");
    ss::write_row(line, *row, {.numeric = true}, names);
    layout.add(line);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_SsRow);

}  // namespace
}  // namespace socktrace
