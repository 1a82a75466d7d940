#include "sys/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "sys/privileges.h"
#include "sys/signals.h"

namespace socktrace::sys {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    read_end = UniqueFd(ends[0]);
    write_end = UniqueFd(ends[1]);
  }
  void put(char byte) const { EXPECT_EQ(write(write_end.get(), &byte, 1), 1); }
  char take() const {
    char byte = 0;
    EXPECT_EQ(read(read_end.get(), &byte, 1), 1);
    return byte;
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

TEST(EventLoop, CallsHandlersOfReadyDescriptorsOnly) {
  auto loop = EventLoop::create();
  ASSERT_TRUE(loop);
  const Pipe quiet;
  const Pipe ready;
  std::string seen;
  ASSERT_TRUE(loop->add(quiet.read_end.get(), [&] { seen += quiet.take(); }));
  ASSERT_TRUE(loop->add(ready.read_end.get(), [&] { seen += ready.take(); }));
  ASSERT_TRUE(loop->wait(0));
  EXPECT_EQ(seen, "");
  ready.put('a');
  ready.put('b');
  ASSERT_TRUE(loop->wait(1000));
  EXPECT_EQ(seen, "a");
  ASSERT_TRUE(loop->wait(1000));
  EXPECT_EQ(seen, "ab");
}

TEST(EventLoop, AHandlerMayRemoveItselfAndOthers) {
  auto loop = EventLoop::create();
  ASSERT_TRUE(loop);
  const Pipe first;
  const Pipe second;
  int calls = 0;
  const auto remove_both = [&] {
    ++calls;
    loop->remove(first.read_end.get());
    loop->remove(second.read_end.get());
  };
  ASSERT_TRUE(loop->add(first.read_end.get(), remove_both));
  ASSERT_TRUE(loop->add(second.read_end.get(), remove_both));
  first.put('x');
  second.put('x');
  ASSERT_TRUE(loop->wait(1000));
  ASSERT_TRUE(loop->wait(0));
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, TheEndOfAPipeIsReported) {
  auto loop = EventLoop::create();
  ASSERT_TRUE(loop);
  Pipe pipe;
  bool ended = false;
  ASSERT_TRUE(loop->add(pipe.read_end.get(), [&] { ended = true; }));
  { const UniqueFd closed = std::move(pipe.write_end); }
  ASSERT_TRUE(loop->wait(1000));
  EXPECT_TRUE(ended);
}

TEST(EventLoop, ADescriptorThatIsNoneIsAnError) {
  auto loop = EventLoop::create();
  ASSERT_TRUE(loop);
  const auto added = loop->add(-1, [] {});
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, EBADF);
}

TEST(Timer, RunsOutAndIsTaken) {
  auto loop = EventLoop::create();
  ASSERT_TRUE(loop);
  const auto timer = Timer::start(1, 0);
  ASSERT_TRUE(timer);
  uint64_t taken = 0;
  ASSERT_TRUE(loop->add(timer->fd(), [&] { taken = timer->take(); }));
  ASSERT_TRUE(loop->wait(10'000));
  EXPECT_EQ(taken, 1U);
  EXPECT_EQ(timer->take(), 0U);
}

TEST(Signals, AreReadAndTheMaskReturns) {
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  ASSERT_EQ(sigismember(&before, SIGUSR1), 0);
  {
    const auto signals = Signals::block({SIGUSR1, SIGHUP});
    ASSERT_TRUE(signals);
    EXPECT_EQ(signals->next(), std::nullopt);
    raise(SIGHUP);
    raise(SIGUSR1);
    EXPECT_EQ(signals->next(), SIGHUP);
    EXPECT_EQ(signals->next(), SIGUSR1);
    EXPECT_EQ(signals->next(), std::nullopt);
  }
  sigset_t after;
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGUSR1), 0);
  EXPECT_EQ(sigismember(&after, SIGHUP), 0);
}

TEST(Signals, AreKnownToHaveBeenIgnored) {
  const auto former = std::signal(SIGHUP, SIG_IGN);
  {
    const auto signals = Signals::block({SIGUSR1, SIGHUP});
    ASSERT_TRUE(signals);
    EXPECT_TRUE(signals->was_ignored(SIGHUP));
    EXPECT_FALSE(signals->was_ignored(SIGUSR1));
  }
  std::signal(SIGHUP, former);
}

TEST(Privileges, NamesWhatIsMissing) {
  using Names = std::vector<std::string_view>;
  EXPECT_EQ(missing_for_tracing({}), (Names{"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"}));
  Privileges minimal;
  minimal.bpf = minimal.perfmon = minimal.net_admin = true;
  EXPECT_EQ(missing_for_tracing(minimal), Names{});
  Privileges old_kernel;  // before CAP_BPF
  old_kernel.sys_admin = old_kernel.net_admin = true;
  EXPECT_EQ(missing_for_tracing(old_kernel), Names{});
  Privileges root_in_a_container;
  root_in_a_container.root = true;
  EXPECT_EQ(missing_for_tracing(root_in_a_container).size(), 3U);
}

TEST(Privileges, CurrentOnesAreReadable) {
  const auto privileges = current_privileges();
  ASSERT_TRUE(privileges);
  EXPECT_EQ(privileges->root, geteuid() == 0);
}

}  // namespace
}  // namespace socktrace::sys
