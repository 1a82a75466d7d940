#pragma once

#include <string_view>

namespace socktrace::sys {

// Tells the service manager, if one asked for it by NOTIFY_SOCKET (sd_notify(3)): "READY=1", "STOPPING=1".
// Nothing happens otherwise, nor when it does not listen.
void notify_service_manager(std::string_view state);

}  // namespace socktrace::sys
