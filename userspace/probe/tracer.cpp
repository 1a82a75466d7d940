#include "probe/tracer.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>

#include "probe/fexit.h"
#include "probe/hooks.h"
#include "probe/libbpf_log.h"
#include "probe/loader.h"
#include "probe/open_sockets.h"
#include "probe/tracepoint.h"
#include "sys/large_blocks.h"
#include "sys/parallel.h"
#include "sys/unique_fd.h"

namespace socktrace::probe {
namespace {

struct LinkDeleter {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

struct RingDeleter {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
using Ring = std::unique_ptr<ring_buffer, RingDeleter>;

// What one drain() is doing; the ring's callback has a single context pointer for its whole life.
struct Drain {
  const std::function<void(std::span<const std::byte>)>* on_record = nullptr;
  size_t count = 0;
};

int on_sample(void* context, void* data, size_t size) {
  auto* drain = static_cast<Drain*>(context);
  (*drain->on_record)({static_cast<const std::byte*>(data), size});
  return ++drain->count < Tracer::kMostDrained ? 0 : -ECANCELED;
}

Result<void> check(const Options& options) {
  const auto page = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));
  if (!std::has_single_bit(options.ring_bytes) || options.ring_bytes < page)
    return Error{"ring size " + std::to_string(options.ring_bytes) + ": must be a power of two, at least " +
                     std::to_string(page),
                 ErrorKind::usage};
  return {};
}

}  // namespace

struct Tracer::Impl {
  Skeleton skeleton;
  std::vector<Link> links;  // attached programs, but the iterator
  Link iterator;
  Drain draining;
  Ring ring;
  std::vector<Hook> hooks;

  std::set<std::string_view> running;  // programs of kHooks that are attached

  BindResult bind_result{};
  bool tells_connections = true;
  std::string fexit_refusal;

  Tracefs tracefs;  // only used while attaching

  // The slots of the CPUs that this machine can have.
  [[nodiscard]] std::span<const st_counters> counters() const {
    const std::span<const st_counters> slots = skeleton->bss->st_counters;
    const int possible = libbpf_num_possible_cpus();
    return possible > 0 ? slots.first(std::min(slots.size(), static_cast<size_t>(possible))) : slots;
  }

  Link attach_one(const HookInfo& info, bpf_program* program, int cgroup_fd) {
    if (info.group == HookGroup::syscall) return Link(attach_tracepoint(tracefs, program));
    if (info.group == HookGroup::cgroup || info.group == HookGroup::stamp)
      return Link(bpf_program__attach_cgroup(program, cgroup_fd));
    if (info.group == HookGroup::iterator) return Link(bpf_program__attach_iter(program, nullptr));
    return Link(bpf_program__attach(program));
  }

  void attach_hook(const HookInfo& info, bpf_program* program, const Options& options, std::string refusal) {
    const bool conditional = info.group == HookGroup::stamp || info.group == HookGroup::unix_end ||
                             (info.of_connections && !options.connections);
    if (conditional && !bpf_program__autoload(program) && refusal.empty()) return;  // not needed here
    if (info.group == (bind_result == BindResult::fexit ? HookGroup::syscall : HookGroup::fexit)) return;
    Hook hook{bpf_program__section_name(program), false, std::move(refusal), std::string(info.cost)};
    if (bpf_program__autoload(program)) {
      if (!info.needs.empty() && !running.contains(info.needs)) {
        hook.error = "its other half is not attached";
      } else {
        LibbpfLog log;
        Link link = attach_one(info, program, options.cgroup_fd);
        const int code = errno;
        hook.attached = link != nullptr;
        if (link) running.insert(info.program);
        if (!link) {
          hook.error = std::strerror(code);
          if (const std::string reason = log.reason(); !reason.empty()) hook.error = reason;
        } else if (info.group == HookGroup::iterator) {
          iterator = std::move(link);
        } else {
          links.push_back(std::move(link));
        }
      }
    }
    if (info.group != HookGroup::nested) hooks.push_back(std::move(hook));
  }
};

Tracer::Tracer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tracer::Tracer(Tracer&&) noexcept = default;
Tracer& Tracer::operator=(Tracer&&) noexcept = default;
Tracer::~Tracer() = default;

Result<Tracer> Tracer::attach(const Options& options) {
  if (Result<void> checked = check(options); !checked) return std::move(checked.error());
  const sys::LargeBlocks blocks(kLibbpfBytes);
  Options chosen = options;
  if (options.bind_result == BindResult::infer) {
    chosen.connections = true;
    return attach_with(chosen);
  }
  if (options.bind_result == BindResult::tracepoint) {
    Result<Tracer> tracer = attach_with(options);
    if (tracer && !tracer->impl_->running.contains("st_enter_bind"))
      return Error{"bind results by tracepoint: not available here: use --bind-result=infer",
                   ErrorKind::unavailable};
    return tracer;
  }

  std::string refusal = probe::fexit_refusal();
  if (refusal.empty()) {
    chosen.bind_result = BindResult::fexit;
    Result<Tracer> tracer = attach_with(chosen);
    if (tracer && tracer->impl_->running.contains("st_fentry_bind")) return tracer;
    if (!tracer && options.bind_result == BindResult::fexit) return tracer;
    refusal = tracer ? "its programs do not attach" : tracer.error().message;
  }
  chosen.bind_result = BindResult::tracepoint;
  Result<Tracer> tracer = attach_with(chosen);
  if (tracer && !options.connections && !tracer->impl_->running.contains("st_enter_bind")) {
    chosen.connections = true;
    tracer = Error();  // detaches it
    tracer = attach_with(chosen);
  }
  if (!tracer) return tracer;  // what stands in the way of everything
  if (options.bind_result == BindResult::fexit)
    return Error{"bind results by fexit: refused by this kernel (" + refusal +
                     "): use --bind-result=tracepoint or infer",
                 ErrorKind::unavailable};
  tracer->impl_->fexit_refusal = std::move(refusal);
  return tracer;
}

Result<Tracer> Tracer::attach_with(const Options& options) {
  Result<Loaded> loaded = load(options);
  if (!loaded) return std::move(loaded.error());

  auto impl = std::make_unique<Impl>();
  impl->bind_result = options.bind_result;
  impl->tells_connections = options.connections;
  impl->skeleton = std::move(loaded->skeleton);
  const int ring_fd = bpf_map__fd(impl->skeleton->maps.st_ring);
  impl->ring.reset(ring_buffer__new(ring_fd, on_sample, &impl->draining, nullptr));
  if (!impl->ring) return Error::system("map the ring buffer", errno, ErrorKind::unavailable);

  for (const HookInfo& info : kHooks) {
    const std::string name(info.program);
    bpf_program* program = bpf_object__find_program_by_name(impl->skeleton->obj, name.c_str());
    impl->attach_hook(info, program, options, loaded->refused[name]);
  }
  if (!impl->hooks.front().attached)
    return Error{"attach " + impl->hooks.front().name + ": " + impl->hooks.front().error,
                 ErrorKind::unavailable};
  impl->tracefs = {};
  return Tracer(std::move(impl));
}

bool Tracer::tells_connections() const {
  return impl_->tells_connections;
}

BindResult Tracer::bind_result() const {
  return impl_->bind_result;
}

const std::string& Tracer::fexit_refusal() const {
  return impl_->fexit_refusal;
}

const std::vector<Hook>& Tracer::hooks() const {
  return impl_->hooks;
}

int Tracer::fd() const {
  return ring_buffer__epoll_fd(impl_->ring.get());
}

void Tracer::wake_on_next_record() {
  __atomic_store_n(&impl_->skeleton->bss->st_reader_sleeps, 1, __ATOMIC_RELEASE);
}

void Tracer::narrow_to(uint32_t netns) {
  __atomic_store_n(&impl_->skeleton->bss->st_only_netns, netns, __ATOMIC_RELAXED);
}

Result<size_t> Tracer::drain(const std::function<void(std::span<const std::byte>)>& on_record) {
  impl_->draining = {&on_record, 0};
  const int result = ring_buffer__consume(impl_->ring.get());
  if (result < 0 && result != -ECANCELED) return Error::system("read the ring buffer", -result);
  return impl_->draining.count;
}

Counters Tracer::counters() const {
  Counters total;
  for (const st_counters& cpu : impl_->counters()) {
    total.attempted += __atomic_load_n(&cpu.attempted, __ATOMIC_RELAXED);
    total.lost += __atomic_load_n(&cpu.lost, __ATOMIC_RELAXED);
  }
  return total;
}

std::vector<uint64_t> Tracer::lost_by_cpu() const {
  std::vector<uint64_t> lost;
  for (const st_counters& cpu : impl_->counters())
    lost.push_back(__atomic_load_n(&cpu.lost, __ATOMIC_RELAXED));
  return lost;
}

// Detaching a tracepoint waits for a grace period of RCU, some 70 ms on a host of two processors: for all at once.
void Tracer::stop() {
  constexpr unsigned kWaiting = 16;
  sys::in_parallel(impl_->links.size(), kWaiting, [this](size_t i) { impl_->links[i].reset(); });
  impl_->links.clear();
}

bool Tracer::has_iterator() const {
  return impl_->iterator != nullptr;
}

bool Tracer::can_iterate() const {
  return has_iterator() && sys::UniqueFd(bpf_iter_create(bpf_link__fd(impl_->iterator.get())));
}

Result<void> Tracer::for_each_open_socket(const std::function<void(const st_open_socket&)>& on_socket) {
  if (!impl_->iterator)
    return Error{"list open sockets: " + impl_->hooks.back().error, ErrorKind::unavailable};
  return read_open_sockets(impl_->iterator.get(), on_socket);
}

}  // namespace socktrace::probe
