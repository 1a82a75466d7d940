#pragma once

#include <string>

#include "core/diag/row.h"

namespace socktrace::ss {

// Appends one socket as a JSON object and a newline: the fields of the field table, nested at the dots of
// their keys, and `owners`. Names and forms are those of the event log: absent fields are omitted, numbers
// beyond 2^53 and identities are strings, foreign bytes are escaped as core/escape.h says.
void append_json(std::string& out, const diag::Row& row);

}  // namespace socktrace::ss
