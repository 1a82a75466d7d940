#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bpf/abi.h"
#include "core/record.h"
#include "core/result.h"
#include "sys/netns.h"
#include "sys/unique_fd.h"

namespace socktrace::source {

// The network namespaces that are traced, and the ways into them: one, or all of the host as they appear and vanish.
// Of all, none is held open. One alone is, as by a process inside: its number would be given to another.
//
// A namespace is found by list_netns(), by a socket that some process holds in it, or by the first record from
// within. That it has vanished shows within a second or two: no file leads to it any more, no process is in it, and
// nobody has a socket there.
class KnownNamespaces {
 public:
  // Told of each one that is new or has another name, and of each that has vanished.
  struct Listener {
    std::function<void(const sys::NetNamespace& netns)> on_known;
    std::function<void(uint32_t netns)> on_vanished;
  };

  // That one only.
  static KnownNamespaces only(sys::NetNamespace netns);
  // `own`: the inode number of the calling thread's.
  static Result<KnownNamespaces> all(uint32_t own);

  void listen(Listener listener) { listener_ = std::move(listener); }

  // Looks for them on the whole host. Those that are not found stay until they are told to have vanished.
  Result<void> refresh();
  // What has come and gone since the last call: cheap when nothing was mounted or unmounted and no second has passed.
  // Call it before a batch of records, so that their namespaces have today's names. What cannot be read now is tried again.
  void poll(uint64_t now_ns);
  // What a record tells; false: it is of a namespace that is not traced.
  bool note(const Record& record);
  // What an open socket tells.
  void note(const st_open_socket& socket);

  [[nodiscard]] uint32_t own() const { return own_; }
  // Whether all of the host are traced.
  [[nodiscard]] bool is_all() const { return all_; }
  [[nodiscard]] const sys::NetNamespace* find(uint32_t netns) const;
  [[nodiscard]] std::vector<sys::NetNamespace> list() const;  // our own first
  // Those that have become known since the last call, our own first.
  std::vector<sys::NetNamespace> take_new();
  // Those that no way leads to any more, unless a socket is found in them. forget() or note() settles each.
  [[nodiscard]] std::vector<uint32_t> missing() const;
  void forget(uint32_t netns);

 private:
  struct Entry {
    sys::NetNamespace netns;
    bool is_new = true;
    bool missing = false;
  };

  void take(sys::NetNamespace&& found);
  Result<void> look_at_mounts();
  void look_for_missing();

  bool all_ = false;
  uint32_t own_ = 0;
  std::unordered_map<uint32_t, Entry> known_;
  size_t new_ = 0;       // entries with is_new
  uint32_t latest_ = 0;  // the namespace of the last record that was noted
  sys::UniqueFd mounts_;
  bool mounts_unread_ = false;  // they have changed, and could not be read
  uint64_t looked_ns_ = 0;
  sys::UniqueFd held_;  // the one namespace
  Listener listener_;
};

}  // namespace socktrace::source
