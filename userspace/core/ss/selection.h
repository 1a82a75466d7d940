#pragma once

#include <optional>
#include <string_view>

#include "core/diag/row.h"
#include "core/ss/options.h"

namespace socktrace::ss {

// State masks of ss 6.1. kConnected, without LISTEN, CLOSE, TIME_WAIT and SYN_RECV, is what it shows by
// default.
inline constexpr StateMask kAllStates = 0xfff;
inline constexpr StateMask kConnected =
    kAllStates & ~(mask(State::listen) | mask(State::close) | mask(State::time_wait) | mask(State::syn_recv));
inline constexpr StateMask kListening = mask(State::listen) | mask(State::close);

// Puts a selection together as ss does from options, a query and state words, given in any number.
class SelectionBuilder {
 public:
  void add_table(diag::Table table);  // -t, -u …
  void add_family(Family family);     // -4, -x, -f …
  void set_states(StateMask states);  // -a, -l: the last one counts
  // -A: the first clears what was chosen before. False at a name that is no table; `!` in front takes one
  // away.
  bool add_query(std::string_view list);
  // `state NAME`, `exclude NAME`. False at an unknown name.
  bool add_state_word(std::string_view name, bool exclude);

  [[nodiscard]] bool is_default() const { return default_; }  // nothing was chosen
  [[nodiscard]] bool names_states() const { return saw_state_word_; }
  // Tables imply families and states, families imply tables; nothing chosen means everything.
  [[nodiscard]] Selection finish() const;

 private:
  Selection chosen_;
  StateMask states_ = 0;  // from -a, -l, and state words; replaces what tables and families imply
  bool default_ = true;
  bool saw_query_ = false;
  bool saw_state_word_ = false;
};

// Whether a row is of the selected tables, families and states; a dump asks the kernel for these only.
bool selects(const Selection& selection, const diag::Row& row);

// A filter that names a family ("src unix:*") selects it in place of the others, and its default states where none were chosen.
void select_family(Selection& selection, Family family);

// A state or an alias (all, connected, synchronized, bucket, big), in any case; nothing for an unknown one.
// As in ss "listen" is none: it is "listening".
std::optional<StateMask> states_from_name(std::string_view name);
// "inet", "inet6", "link", "unix", "netlink", "vsock", "tipc", "xdp".
std::optional<Family> family_from_name(std::string_view name);

}  // namespace socktrace::ss
