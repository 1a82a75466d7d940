#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

namespace socktrace::enrich {

// The name of a uid by the host's user database (getpwuid_r); empty when it has none or cannot tell.
std::string look_up_user(uint32_t uid);

// Each uid is looked up once: the database may be a directory server.
class Users {
 public:
  using LookUp = std::function<std::string(uint32_t uid)>;
  explicit Users(LookUp look_up = look_up_user) : look_up_(std::move(look_up)) {}

  const std::string& name(uint32_t uid);

 private:
  LookUp look_up_;
  std::unordered_map<uint32_t, std::string> names_;
};

}  // namespace socktrace::enrich
