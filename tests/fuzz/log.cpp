// The lines of an event log from strangers: read, replayed at a moment, and written again.
#include <algorithm>

#include "core/log/decode.h"
#include "core/log/encode.h"
#include "core/log/reader.h"
#include "core/log/replay.h"
#include "core/log/survey.h"
#include "safe_text.h"
#include "target.h"

using namespace socktrace;

namespace {

// What was decoded, as lines again.
class Rewriter {
 public:
  std::string lines;

  void write(const LogRecord& record) {
    if (const auto* header = std::get_if<LogHeader>(&record.body)) encoder_.header(lines, *header);
    if (const auto* event = std::get_if<Event>(&record.body)) encoder_.event(lines, *event);
    if (const auto* mark = std::get_if<KeyframeBegin>(&record.body)) encoder_.keyframe_begin(lines, *mark);
    if (const auto* row = std::get_if<SocketRow>(&record.body))
      encoder_.row(lines, row->socket, row->socket.changed_ns);
    if (const auto* mark = std::get_if<KeyframeEnd>(&record.body)) encoder_.keyframe_end(lines, *mark);
    if (const auto* loss = std::get_if<LogLoss>(&record.body)) encoder_.loss(lines, *loss);
    if (const auto* clock = std::get_if<LogClock>(&record.body)) encoder_.clock(lines, *clock);
    if (const auto* trailer = std::get_if<LogTrailer>(&record.body)) encoder_.trailer(lines, *trailer);
  }

 private:
  LogEncoder encoder_;
};

void read(std::string_view text, size_t piece, uint64_t from_ns) {
  LogReader reader;
  if (from_ns != 0) reader.set_window(from_ns, 0);
  Rewriter rewriter;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    reader.feed(text.substr(0, piece), [&](LogRecord&& record) { rewriter.write(record); });
  reader.end_file();
  fuzz::require(fuzz::is_safe_text(rewriter.lines), "what was read is written safely");
  LogDecoder decoder;
  std::string_view lines = rewriter.lines;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    const Result<LogRecord> record = decoder.decode(lines.substr(0, end));
    fuzz::require(record.has_value(), "what was written is read again");
    lines.remove_prefix(end + 1);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data + 1, size - 1);
  constexpr uint64_t kMoment_ns = 1'789'873'927'000'000'000;
  read(text, 1 + data[0], (data[0] & 1) != 0 ? kMoment_ns : 0);

  LogSurvey survey((data[0] & 2) != 0 ? std::optional(kMoment_ns) : std::nullopt);
  survey.feed(text);
  fuzz::require(survey.start().offset <= text.size(), "a place in the file");
  LogReplay replay;
  replay.begin_at(survey);
  const size_t begin = survey.start().offset;
  if (survey.end() > begin) replay.feed(text.substr(begin, survey.end() - begin));
  replay.end_file();
  size_t rows = 0;
  replay.table().for_each([&](const Socket&) { ++rows; });
  fuzz::require(rows == replay.table().size(), "the table counts its rows");
  return 0;
}
