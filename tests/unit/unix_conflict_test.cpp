#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>

#include "diagnose/explain.h"
#include "diagnose/unix_name.h"
#include "support/conflict_builder.h"

namespace socktrace::test {
namespace {

constexpr char kPath[] = "/run/app's.sock";

Socket named(const std::string& name, State state, uint32_t inode, uint32_t netns = 1) {
  Socket socket;
  socket.key = {0, inode};
  socket.family = Family::unix;
  socket.type = SOCK_STREAM;
  socket.state = state;
  socket.inode = inode;
  socket.netns = netns;
  socket.details.make().name = name;
  return socket;
}

std::string explained(EventKind kind, const Socket& asking, int error, const std::vector<Socket>& sockets) {
  Event event;
  event.kind = kind;
  event.socket = asking;
  event.error = error;
  return text(diagnose::explain_failure(event, pointers(sockets)));
}

TEST(ExplainUnix, NamesWhoIsBoundToThePath) {
  const Socket holder = owned_by(named(kPath, State::listen, 5, 2), 991, "app", "app.service");
  EXPECT_EQ(
      explained(EventKind::bind_failed, named(kPath, State::close, 9), EADDRINUSE, {holder}),
      "  unix_name_taken [LISTEN :*]: its file exists, and this socket is bound to it | systemctl status "
      "app.service\n");
}

TEST(ExplainUnix, FileWithoutASocketMayHaveBeenLeftBehind) {
  Socket accepted = named(kPath, State::established, 5);
  accepted.inbound = true;
  EXPECT_EQ(explained(EventKind::bind_failed, named(kPath, State::close, 9), EADDRINUSE, {accepted}),
            "  unix_path_exists [nobody]: the file exists, and no socket is known by that name: it was left "
            "behind, or is of a socket that was bound by another spelling of the path, or of none | ls -l "
            "'/run/app'\\''s.sock'\n");
}

TEST(ExplainUnix, AbstractNamesAreOfANetworkNamespaceAndAType) {
  const Socket asking = named("@app", State::close, 9, 1);
  Socket datagram = named("@app", State::close, 5, 1);
  datagram.type = SOCK_DGRAM;
  EXPECT_TRUE(diagnose::may_hold_unix_name(asking, named("@app", State::close, 5, 1)));
  EXPECT_FALSE(diagnose::may_hold_unix_name(asking, named("@app", State::close, 5, 2)));
  EXPECT_FALSE(diagnose::may_hold_unix_name(asking, datagram));
  EXPECT_FALSE(diagnose::may_hold_unix_name(asking, asking));
}

TEST(ExplainUnix, OfSeveralSocketsTheYoungestThatIsOpenIsTold) {
  Socket old = owned_by(named(kPath, State::listen, 5), 1, "old");
  Socket young = owned_by(named(kPath, State::listen, 6), 2, "young");
  Socket client = owned_by(named(kPath, State::established, 7), 3, "client");
  old.opened_ns = 1;
  young.opened_ns = 2;
  client.opened_ns = 3;
  const Socket asking = named(kPath, State::close, 9);
  EXPECT_NE(explained(EventKind::bind_failed, asking, EADDRINUSE, {client, old, young}).find("ps -fp 2"),
            std::string::npos);
  EXPECT_NE(explained(EventKind::bind_failed, asking, EADDRINUSE, {client}).find("ps -fp 3"),
            std::string::npos);
}

TEST(ExplainUnix, HolderThatHasJustClosedIsStillNamed) {
  Socket gone = owned_by(named(kPath, State::listen, 0), 7, "app");
  gone.key = {0, 5};
  gone.owners.front().exited = true;
  const std::string said =
      explained(EventKind::bind_failed, named(kPath, State::close, 9), EADDRINUSE, {gone});
  EXPECT_NE(said.find("this socket had the name, and was closed a moment ago"), std::string::npos) << said;
}

TEST(ExplainUnix, SaysWhatAnErrorMeansForAUnixSocket) {
  const Socket asking = named("/nowhere/x", State::close, 9);
  EXPECT_EQ(explained(EventKind::bind_failed, asking, ENOENT, {}),
            "  other_error [nobody]: a directory of the path does not exist | \n");
  EXPECT_EQ(explained(EventKind::listen_failed, named("", State::close, 9), EINVAL, {}),
            "  other_error [nobody]: the socket has no name, or is connected: bind() comes first | \n");
}

}  // namespace
}  // namespace socktrace::test
