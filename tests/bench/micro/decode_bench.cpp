#include <benchmark/benchmark.h>

#include <cstring>

#include "bpf/abi.h"
#include "core/record.h"

namespace socktrace {
namespace {

struct RecordBytes {
  st_head head{};
  st_sock sock{};
  st_task task{};
};

// Bytes of the ring to a Record: the largest layout that is common.
void BM_Decode(benchmark::State& state) {
  RecordBytes bytes;
  bytes.head.kind = ST_ACCEPT;
  bytes.head.flags = ST_F_TASK | ST_F_RESULT;
  bytes.head.cookie = 7;
  bytes.sock.family = 2;
  bytes.sock.protocol = 6;
  bytes.sock.new_state = 1;
  std::memcpy(bytes.task.comm, "server", sizeof "server");
  const auto* data = reinterpret_cast<const std::byte*>(&bytes);
  for ([[maybe_unused]] auto _ : state) {
    Result<Record> record = decode({data, sizeof bytes});
    if (!record) state.SkipWithError(record.error().message.c_str());
    benchmark::DoNotOptimize(record);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Decode);

}  // namespace
}  // namespace socktrace
