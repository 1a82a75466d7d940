#pragma once

#include <string>

#include "core/event.h"

namespace socktrace {

// One sentence for the rare events that people search for: failed binds, listens and connects, and new
// listeners. Nothing for the others. Names are escaped.
void append_message(std::string& out, const Event& event);

}  // namespace socktrace
