#pragma once

#include <span>

namespace socktrace::cli {

// The options of `socktrace ss` that have no letter.
enum LongOnly : int {
  kTipcInfo = 256,
  kTos,
  kCgroup,
  kInetSockopt,
  kTipc,
  kVsock,
  kXdp,
  kColumns,
  kSort,
  kGroupBy,
  kAllNetns,
  kFrom,
  kAt,
  kBpfMaps,
  kBpfMapId,
  kDiagFile,
};

// One row per option: parsing and --help come from here.
struct SsOptionRow {
  int code;              // the letter, or a LongOnly
  const char* name;      // long name
  const char* argument;  // nullptr: none
  const char* help;      // nullptr: accepted, not listed
  bool ours = false;     // ss 6.1 has no such option
};

std::span<const SsOptionRow> ss_option_rows();

}  // namespace socktrace::cli
