// The bytes of one ring-buffer record.
#include "core/record.h"

#include "bpf/abi.h"
#include "target.h"

using namespace socktrace;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Result<Record> record = decode(fuzz::bytes_of(data, size));
  if (!record) {
    fuzz::require(record.error().kind == ErrorKind::damaged, "what cannot be decoded is damaged");
    return 0;
  }
  fuzz::require(static_cast<int>(record->new_state) < kStateCount, "states are in range");
  fuzz::require(record->task.comm.size() <= sizeof(st_task::comm), "a name is as long as the kernel's");
  fuzz::require(record->error >= 0, "errno is positive");
  return 0;
}
