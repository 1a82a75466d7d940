#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "crowd.h"
#include "diagnose/conflict.h"
#include "diagnose/reason.h"
#include "member.h"
#include "sandbox.h"

namespace socktrace::test {
namespace {

constexpr uint64_t kDefaultCrowds = 20'000;
constexpr uint64_t kCrowdsPerNamespace = 10'000;
constexpr uint16_t kFirstPort = 2048;

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

const char* error_name(int error) {
  return error == 0 ? "0" : strerrorname_np(error);
}

// Plays one crowd: every bind and listen is predicted from the sockets before it.
class Play {
 public:
  Play(Sandbox& sandbox, const Crowd& crowd, std::map<std::string, size_t>& seen)
      : sandbox_(sandbox), crowd_(crowd), seen_(seen) {}

  size_t compared() const { return compared_; }

  void run() {
    sandbox_.set_local_ports(Sandbox::kClientPorts);
    if (crowd_.privileged_below) sandbox_.set_unprivileged_start(crowd_.privileged_below);
    const bool complete =
        std::ranges::all_of(crowd_.members, [this](const MemberSpec& spec) { return join(spec); });
    if (complete && crowd_.listen_late) listen_late();
    if (crowd_.privileged_below) sandbox_.set_unprivileged_start(1024);
    for (Member& member : members_)
      if (member.closable()) member.close_at_once();
  }

 private:
  // False ends the crowd: a socket that had the port has closed, and the kernel's bind bucket may remember
  // it.
  bool join(const MemberSpec& spec) {
    if (::testing::Test::HasFailure()) return false;
    std::optional<Member> member = Member::open(spec);
    if (!member) return true;
    if (spec.role == Role::autobound) return spec.port == 0 || join_autobound(*std::move(member));
    if (spec.port == 0) sandbox_.set_local_ports(narrow_range());
    const int error = compare("bind", *member, member->bind_request(), [&] { return member->bind(); });
    sandbox_.set_local_ports(Sandbox::kClientPorts);
    if (error == EADDRINUSE && spec.port != 0) return check_holders(*member);
    if (error != 0) return true;
    if (spec.rebind) compare("rebind", *member, member->bind_request(), [&] { return member->bind(); });
    if (spec.role == Role::listening && !spec.udp) {
      compare("listen", *member, member->listen_request(), [&] { return member->listen(); });
    } else if (!member->take_role(sandbox_)) {
      return false;  // not with this address
    }
    members_.push_back(*std::move(member));
    return true;
  }

  // Sockets that could all bind, by SO_REUSEADDR, cannot all listen.
  void listen_late() {
    for (Member& member : members_)
      if (!member.spec().udp && member.model().state == State::close && !::testing::Test::HasFailure())
        compare("listen", member, member.listen_request(), [&] { return member.listen(); });
  }

  // The kernel is left no other port than the crowd's.
  bool join_autobound(Member member) {
    sandbox_.set_local_ports({member.spec().port, member.spec().port});
    const bool joined = member.take_role(sandbox_);
    sandbox_.set_local_ports(Sandbox::kClientPorts);
    if (joined) members_.push_back(std::move(member));
    return joined;
  }

  diagnose::PortRange narrow_range() const {
    return {crowd_.port, static_cast<uint16_t>(crowd_.port + crowd_.members.size() % 3)};
  }

  std::vector<const Socket*> others(const Member& asking) const {
    std::vector<const Socket*> result;
    for (const Member& member : members_) result.push_back(&member.model());
    if (std::ranges::find(result, &asking.model()) == result.end()) result.push_back(&asking.model());
    return result;
  }

  template <typename Act>
  int compare(const char* act, const Member& member, const diagnose::BindRequest& request, Act&& perform) {
    const std::vector<const Socket*> sockets = others(member);
    const diagnose::Verdict verdict = diagnose::explain(request, sockets, sandbox_.facts());
    const int error = perform();
    if (!verdict.certain) {
      ++seen_["doubtful"];
      return error;
    }
    if (!members_.empty()) ++compared_;
    ++seen_[std::string(act) + " " + error_name(error)];
    for (const Conflict& conflict : verdict.conflicts) ++seen_[conflict.reason];
    EXPECT_STREQ(error_name(verdict.error), error_name(error))
        << act << " " << to_string(member.spec()) << describe();
    return error;
  }

  // Whoever is named is to blame: once they have closed, the same bind succeeds. And when nobody knows the
  // options, but the error is known, the named still include one of them.
  // False: the holders have closed.
  bool check_holders(Member& member) {
    const diagnose::BindRequest request = member.bind_request();
    const std::vector<const Socket*> sockets = others(member);
    std::set<uint64_t> guilty;
    for (const Socket* socket : diagnose::blockers(request, sockets, diagnose::Unknown::blocks))
      guilty.insert(socket->key.cookie);
    EXPECT_FALSE(guilty.empty());
    check_holders_without_options(request, sockets, guilty, member);

    for (const Member& other : members_)
      if (guilty.contains(other.model().key.cookie) && !other.closable()) return true;
    std::erase_if(members_, [&](Member& other) {
      if (!guilty.contains(other.model().key.cookie)) return false;
      other.close_at_once();
      return true;
    });
    ++seen_["bind after the holders closed"];
    int error = member.bind();
    // The kernel may still be at it: a softirq that waits for a processor, somebody who looks at our descriptors.
    for (int tries = 0; error == EADDRINUSE && tries < 1000; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      error = member.bind();
    }
    EXPECT_STREQ(error_name(error), "0")
        << "after the holders closed: " << to_string(member.spec()) << describe();
    return false;
  }

  void check_holders_without_options(const diagnose::BindRequest& request,
                                     const std::vector<const Socket*>& sockets,
                                     const std::set<uint64_t>& guilty, const Member& member) {
    std::vector<Socket> dumped;
    for (const Socket* socket : sockets) {
      dumped.push_back(*socket);
      dumped.back().inbound = false;
      dumped.back().options = {};
      dumped.back().options.v6_only = socket->options.v6_only;
      dumped.back().options.v6_only_known = socket->state == State::listen || socket->state == State::close;
      if (!dumped.back().options.v6_only_known) dumped.back().options.v6_only = false;
    }
    std::vector<const Socket*> pointers;
    std::set<std::string_view> connections;  // told as one, so that any of them may stand for the guilty
    for (const Socket& socket : dumped) {
      pointers.push_back(&socket);
      const diagnose::Reason reason = diagnose::reason_for(request, socket, sandbox_.facts());
      if (guilty.contains(socket.key.cookie) && diagnose::is_connection(reason))
        connections.insert(diagnose::id(reason));
    }
    bool named = false;
    for (const Conflict& conflict :
         diagnose::holders_of_failure(request, EADDRINUSE, pointers, sandbox_.facts()))
      named = named || guilty.contains(conflict.holder.key.cookie) || connections.contains(conflict.reason);
    ++seen_["holder named without options"];
    EXPECT_TRUE(named) << "without options: " << to_string(member.spec()) << describe();
  }

  std::string describe() const {
    std::string text;
    for (const MemberSpec& spec : crowd_.members) text += "\n    crowd  " + to_string(spec);
    for (const Member& member : members_) {
      const Socket& model = member.model();
      text += "\n    beside " + to_string(member.spec()) + "  now " + std::string(ss_name(model.state)) +
              " " + to_string(model.family, model.local) + (model.options.v6_only ? " v6only" : "") +
              (model.options.reuse_address ? " reuseaddr" : "") +
              (model.options.reuse_port ? " reuseport" : "");
    }
    return text;
  }

  Sandbox& sandbox_;
  const Crowd& crowd_;
  std::map<std::string, size_t>& seen_;
  std::vector<Member> members_;
  size_t compared_ = 0;
};

TEST(BindRulesLive, AgreeWithTheKernelOnRandomCrowds) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root for a network namespace";
  const uint64_t seed = number("CONFLICT_SEED", std::random_device{}());
  const uint64_t crowds = number("CONFLICT_CROWDS", kDefaultCrowds);
  const std::vector<std::string_view> left_out = peculiar_addresses();
  std::mt19937_64 random(seed);
  std::map<std::string, size_t> seen;
  size_t compared = 0;
  std::unique_ptr<Sandbox> sandbox;
  for (uint64_t i = 0; i < crowds && !HasFailure(); ++i) {
    // TIME_WAITs stay for a minute: each crowd has ports of its own.
    if (i % kCrowdsPerNamespace == 0) sandbox = std::make_unique<Sandbox>();
    const auto port = static_cast<uint16_t>(kFirstPort + 4 * (i % kCrowdsPerNamespace));
    const Crowd crowd = random_crowd(random, port, sandbox->loopback(), sandbox->device(), left_out);
    Play play(*sandbox, crowd, seen);
    play.run();
    compared += play.compared();
    if (HasFailure()) std::cerr << "repeat with CONFLICT_SEED=" << seed << " (crowd " << i << ")\n";
  }
  for (const auto& [what, count] : seen) std::cout << "  " << count << "  " << what << "\n";
  std::cout << "  " << compared << "  compared beside other sockets, seed " << seed << "\n";
  if (crowds < kDefaultCrowds || HasFailure()) return;
  EXPECT_GE(compared, 20'000u);
  EXPECT_LE(seen["doubtful"], compared / 30);
  for (const char* outcome : {"bind 0",
                              "bind EADDRINUSE",
                              "bind EADDRNOTAVAIL",
                              "bind EACCES",
                              "bind EINVAL",
                              "rebind EINVAL",
                              "listen 0",
                              "listen EADDRINUSE",
                              "time_wait",
                              "closing_connection",
                              "outgoing_connection",
                              "inbound_connection",
                              "dual_stack_overlap",
                              "listener_overlap",
                              "bound_overlap",
                              "udp_overlap",
                              "reuseport_uid_mismatch",
                              "range_exhausted",
                              "bind after the holders closed",
                              "holder named without options"})
    EXPECT_GE(seen[outcome], 20u) << outcome;
}

}  // namespace
}  // namespace socktrace::test
