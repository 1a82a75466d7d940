#pragma once

#include <functional>
#include <string_view>

#include "core/diag/row.h"
#include "core/result.h"
#include "core/ss/options.h"
#include "source/dump.h"

namespace socktrace::cli {

inline constexpr std::string_view kMarksNeedPrivilege =
    "ss: fwmark: the kernel tells marks to CAP_NET_ADMIN only; run as root";

// What this kernel does not tell, or does not tell us: an option or a filter that needs it is never just empty. It is found
// out from the rows, so that neither versions nor capabilities have to be interpreted.
class SsWithheld {
 public:
  struct Filter {
    bool marks = false;    // the filter asks for marks
    bool cgroups = false;  // and for cgroups
  };

  SsWithheld(const ss::Options& options, Filter filter) : options_(options), filter_(filter) {}

  // An error when the filter cannot be decided for this row.
  Result<void> look_at(const diag::Row& row);
  void look_at(const source::DumpReport& report);
  // One line for each thing that was asked for and is not to be had. Called once, in the namespace of the dump.
  void tell(const std::function<void(std::string_view)>& message) const;

 private:
  const ss::Options& options_;
  Filter filter_;
  diag::TableSet missing_ = 0;
  diag::TableSet from_proc_ = 0;
  bool packet_filters_ = false;
  bool cgroups_ = false;
  bool saw_bound_inactive_ = false;
};

}  // namespace socktrace::cli
