#include "core/errno_name.h"

#include <cerrno>

namespace socktrace {
namespace {

struct Row {
  int code;
  std::string_view name;
};

#define ROW(code) \
  { code, #code }

// Of two names for one number (EAGAIN and EWOULDBLOCK, EOPNOTSUPP and ENOTSUP) the first is written.
constexpr Row kErrors[] = {
    ROW(EADDRINUSE),      ROW(EADDRNOTAVAIL),   ROW(EACCES),       ROW(EPERM),
    ROW(ECONNREFUSED),    ROW(ECONNRESET),      ROW(ETIMEDOUT),    ROW(ECONNABORTED),
    ROW(EHOSTUNREACH),    ROW(ENETUNREACH),     ROW(EHOSTDOWN),    ROW(ENETDOWN),
    ROW(ENETRESET),       ROW(EINPROGRESS),     ROW(EALREADY),     ROW(EISCONN),
    ROW(ENOTCONN),        ROW(EINVAL),          ROW(EAFNOSUPPORT), ROW(EPFNOSUPPORT),
    ROW(EPROTONOSUPPORT), ROW(ESOCKTNOSUPPORT), ROW(EPROTOTYPE),   ROW(ENOPROTOOPT),
    ROW(EPROTO),          ROW(EOPNOTSUPP),      ROW(EDESTADDRREQ), ROW(EMSGSIZE),
    ROW(ESHUTDOWN),       ROW(ETOOMANYREFS),    ROW(ENOTSOCK),     ROW(EBADF),
    ROW(EAGAIN),          ROW(EINTR),           ROW(EPIPE),        ROW(ENOBUFS),
    ROW(ENOMEM),          ROW(ENFILE),          ROW(EMFILE),       ROW(EFAULT),
    ROW(EEXIST),          ROW(ENOENT),          ROW(ENOTDIR),      ROW(ENAMETOOLONG),
    ROW(ELOOP),           ROW(EROFS),           ROW(ENODEV),       ROW(ENXIO),
    ROW(ESRCH),           ROW(EBUSY),           ROW(EIO),          ROW(ENOSPC),
    ROW(EDQUOT),          ROW(ENOSYS),          ROW(ENONET),       ROW(ENOLINK),
    ROW(ECOMM),           ROW(EREMOTEIO),       ROW(EBADMSG),      ROW(EOVERFLOW),
    ROW(ENODATA),         ROW(ENOKEY),          ROW(EKEYEXPIRED),  ROW(EKEYREJECTED),
    ROW(ECANCELED),       ROW(ERANGE),          ROW(EDOM),         ROW(E2BIG),
    ROW(ESTALE),          ROW(EUSERS),          ROW(EWOULDBLOCK),  ROW(ENOTSUP),
};

#undef ROW

}  // namespace

std::string_view errno_name(int code) {
  for (const Row& row : kErrors)
    if (row.code == code) return row.name;
  return {};
}

std::optional<int> errno_from_name(std::string_view name) {
  for (const Row& row : kErrors)
    if (row.name == name) return row.code;
  return std::nullopt;
}

}  // namespace socktrace
