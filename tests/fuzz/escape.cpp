// Any bytes as a name: safe on a terminal, valid in JSON, and every byte comes back.
#include "core/escape.h"

#include <simdjson.h>

#include "safe_text.h"
#include "target.h"

using namespace socktrace;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const std::string escaped = escape(bytes);
  fuzz::require(fuzz::is_safe_text(escaped) && escaped.find('\n') == std::string::npos,
                "escaped text is safe");
  fuzz::require(unescape(escaped) == bytes, "escaping is lossless");
  fuzz::require(display_width(escaped) <= escaped.size(), "no character is wider than its bytes");
  (void)unescape(bytes);
  (void)display_width(bytes);

  std::string json;
  append_json_string(json, bytes);
  static simdjson::ondemand::parser parser;
  const simdjson::padded_string padded("[" + json + "]");
  simdjson::ondemand::document document;
  std::string_view value;
  const bool parsed = parser.iterate(padded).get(document) == simdjson::SUCCESS &&
                      document.get_array().at(0).get_string().get(value) == simdjson::SUCCESS;
  fuzz::require(parsed && value == escaped, "a JSON parser reads the escaped text");
  fuzz::require(!is_plain_json(bytes) || json == '"' + std::string(bytes) + '"',
                "plain text needs no escapes");
  return 0;
}
