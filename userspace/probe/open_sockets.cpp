#include "probe/open_sockets.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string_view>
#include <vector>

#include "probe/libbpf_log.h"
#include "probe/loader.h"
#include "sys/large_blocks.h"
#include "sys/parallel.h"
#include "sys/unique_fd.h"

namespace socktrace::probe {
namespace {

struct LinkDeleter {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

using Link = std::unique_ptr<bpf_link, LinkDeleter>;

using Iterator = bpf_program* decltype(socktrace_bpf::progs)::*;

// Every bit: every inode.
void set_wanted(socktrace_bpf::socktrace_bpf__rodata& constants, std::span<const uint32_t> wanted) {
  auto& words = constants.st_wanted;
  std::fill(std::begin(words), std::end(words), wanted.empty() ? ~uint64_t{0} : 0);
  for (const uint32_t inode : wanted) words[inode / 64 % std::size(words)] |= uint64_t{1} << inode % 64;
}

// One iterator alone, loaded.
Result<Skeleton> load(Iterator iterator, std::span<const uint32_t> wanted = {}) {
  const sys::LargeBlocks blocks(kLibbpfBytes);
  Skeleton skeleton(socktrace_bpf__open());
  if (!skeleton) return Error::system("open BPF programs", errno, ErrorKind::unavailable);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj)
      bpf_program__set_autoload(program, program == skeleton->progs.*iterator);
  for (bpf_map* map :
       {skeleton->maps.st_ring, skeleton->maps.st_seen, skeleton->maps.st_calls, skeleton->maps.st_sent})
    bpf_map__set_autocreate(map, false);
  skeleton->rodata->st_config.features = ST_CFG_PROBE_READ;
  set_wanted(*skeleton->rodata, wanted);
  if (const int result = socktrace_bpf__load(skeleton.get()); result != 0)
    return Error::system("load the socket iterator", -result,
                         result == -EPERM ? ErrorKind::privilege : ErrorKind::unavailable);
  return skeleton;
}

// What one process has open. False when the kernel did not keep to that process.
Result<bool> read_process(const bpf_program* program, uint32_t pid, std::vector<st_open_socket>& out) {
  bpf_iter_link_info process{};
  process.task.pid = pid;
  LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &process, .link_info_len = sizeof process);
  const Link iterator(bpf_program__attach_iter(program, &options));
  if (!iterator && errno == ESRCH) return true;  // it has ended
  if (!iterator) return false;
  bool others = false;
  const Result<void> read = read_open_sockets(iterator.get(), [&](const st_open_socket& socket) {
    others |= socket.pid != pid;
    out.push_back(socket);
  });
  if (!read) return read.error();
  return !others;
}

}  // namespace

Result<void> for_each_open_socket(const OpenSocketVisitor& visit) {
  const LibbpfLog log;
  const Result<Skeleton> skeleton = load(&decltype(socktrace_bpf::progs)::st_open_sockets);
  if (!skeleton) return skeleton.error();
  const Link iterator(bpf_program__attach_iter((*skeleton)->progs.st_open_sockets, nullptr));
  if (!iterator) return Error::system("attach the socket iterator", errno, ErrorKind::unavailable);
  return read_open_sockets(iterator.get(), visit);
}

Result<bool> for_each_socket_owner_of(std::span<const uint32_t> pids, std::span<const uint32_t> wanted,
                                      const OpenSocketVisitor& visit) {
  const LibbpfLog log;
  const Result<Skeleton> skeleton = load(&decltype(socktrace_bpf::progs)::st_socket_owners, wanted);
  if (!skeleton) return skeleton.error();
  std::vector<std::vector<st_open_socket>> found(pids.size());
  std::vector<Result<bool>> outcome(pids.size(), true);
  sys::in_parallel(pids.size(), 0, [&](size_t i) {
    outcome[i] = read_process((*skeleton)->progs.st_socket_owners, pids[i], found[i]);
  });
  for (const Result<bool>& one : outcome)
    if (!one || !*one) return one;
  for (const std::vector<st_open_socket>& sockets : found)
    for (const st_open_socket& socket : sockets) visit(socket);
  return true;
}

Result<void> read_open_sockets(const bpf_link* iterator, const OpenSocketVisitor& visit) {
  const sys::UniqueFd fd(bpf_iter_create(bpf_link__fd(iterator)));
  if (!fd) return Error::system("list open sockets: bpf_iter_create", errno);
  // The kernel cuts its output anywhere: whole records are taken from the front, the rest is kept.
  std::vector<std::byte> buffer(1024 * sizeof(st_open_socket));
  size_t filled = 0;
  while (true) {
    const ssize_t got = read(fd.get(), buffer.data() + filled, buffer.size() - filled);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return Error::system("list open sockets: read", errno);
    if (got == 0) return {};
    filled += static_cast<size_t>(got);
    size_t taken = 0;
    for (; filled - taken >= sizeof(st_open_socket); taken += sizeof(st_open_socket)) {
      st_open_socket socket;
      std::memcpy(&socket, buffer.data() + taken, sizeof socket);
      visit(socket);
    }
    std::memmove(buffer.data(), buffer.data() + taken, filled - taken);
    filled -= taken;
  }
}

}  // namespace socktrace::probe
