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

TEST(ExplainUnix, FileWithoutASocketWasLeftBehind) {
  const Socket accepted = named(kPath, State::established, 5);
  EXPECT_EQ(explained(EventKind::bind_failed, named(kPath, State::close, 9), EADDRINUSE, {accepted}),
            "  unix_file_left [nobody]: the file exists, but no socket is bound to it: who made it has not "
            "removed it (unlink() before bind()) | ls -l '/run/app'\\''s.sock'\n");
}

TEST(ExplainUnix, AbstractNamesAreOfANetworkNamespace) {
  const Socket asking = named("@app", State::close, 9, 1);
  EXPECT_TRUE(diagnose::holds_unix_name(asking, named("@app", State::close, 5, 1)));
  EXPECT_FALSE(diagnose::holds_unix_name(asking, named("@app", State::close, 5, 2)));
  EXPECT_FALSE(diagnose::holds_unix_name(asking, asking));
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
