#include "enrich/users.h"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace socktrace::enrich {

std::string look_up_user(uint32_t uid) {
  constexpr size_t kLargestEntry = size_t{1} << 20;
  for (std::vector<char> space(1024); space.size() <= kLargestEntry; space.resize(space.size() * 4)) {
    passwd entry{};
    passwd* found = nullptr;
    const int error = getpwuid_r(uid, &entry, space.data(), space.size(), &found);
    if (error == ERANGE) continue;
    return found != nullptr ? found->pw_name : "";
  }
  return "";
}

const std::string& Users::name(uint32_t uid) {
  constexpr size_t kMaxNames = 65'536;  // container user namespaces can bring very many uids
  auto known = names_.find(uid);
  if (known == names_.end()) {
    if (names_.size() >= kMaxNames) names_.clear();
    known = names_.emplace(uid, look_up_(uid)).first;
  }
  return known->second;
}

}  // namespace socktrace::enrich
