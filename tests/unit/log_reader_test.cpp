#include "core/log/reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "core/log/encode.h"
#include "core/log/replay.h"
#include "support/event_builder.h"
#include "support/rounds.h"

namespace socktrace {
namespace {

LogHeader header(const std::string& session = "s", const std::string& boot = "b") {
  LogHeader made;
  made.session = session;
  made.boot_id = boot;
  made.host_id = "h";
  made.realtime_ns = 1'789'873'200'000'000'000;
  made.boottime_ns = made.t0_ns = 500'000'000'000;
  return made;
}

const Event kEvent =
    test::EventBuilder(EventKind::tcp_accept).peer("127.0.0.1:9").by(test::process(7, "nginx", "root"));

// A header and `events` events with one of each control record between them.
std::string small_log(int events) {
  LogEncoder encoder;
  std::string log;
  encoder.header(log, header());
  encoder.keyframe_begin(log, {500'000'000'001, "start", 1});
  encoder.row(log, kEvent.socket, 500'000'000'001);
  encoder.keyframe_end(log, {500'000'000'001, 1});
  for (int i = 0; i < events; ++i) encoder.event(log, kEvent);
  encoder.loss(log, {500'000'000'002, "ringbuf", 1, 5, 0, 0});
  encoder.clock(log, {500'000'000'003, 1, 1'789'873'200'000'000'003, 500'000'000'003});
  encoder.trailer(log, {500'000'000'004, 1, 0});
  return log;
}

// Jobs in the wrong order: the records come in the right one all the same.
void run_backwards(size_t count, const std::function<void(size_t)>& job) {
  for (size_t i = count; i-- > 0;) job(i);
}

void run_on_threads(size_t count, const std::function<void(size_t)>& job) {
  std::vector<std::thread> threads;
  for (size_t i = 1; i < count; ++i) threads.emplace_back(job, i);
  job(0);
  for (std::thread& thread : threads) thread.join();
}

struct Read {
  std::vector<LogRecord> records;
  LogReport report;
};

Read read(const std::string& log, size_t piece = SIZE_MAX) {
  LogReader reader;
  Read result;
  for (size_t i = 0; i < log.size(); i += std::min(piece, log.size() - i))
    reader.feed(std::string_view(log).substr(i, piece),
                [&](LogRecord&& record) { result.records.push_back(std::move(record)); });
  reader.end_file();
  result.report = reader.report();
  return result;
}

TEST(LogReader, WhatALaterVersionHasWrittenIsPassedOverUpToTheNextHeader) {
  std::string newer = small_log(3);
  newer.replace(newer.find("\"v\":1"), 5, "\"v\":2");
  const Read result = read(small_log(2) + newer + "{\"k\":\"event\",\"what\":[}\n" + small_log(1));
  EXPECT_EQ(result.report.newer_version, 2);
  EXPECT_EQ(result.report.newer_lines, 11u);
  EXPECT_EQ(result.report.damaged_lines, 0u);
  EXPECT_EQ(result.report.records, 9u + 8u);
  EXPECT_TRUE(result.report.is_damaged());
}

TEST(LogReader, SeveralDecodersGiveTheRecordsOfOneInOrder) {
  std::string log = small_log(500);
  log.insert(log.find('\n', log.size() / 2) + 1, "{\"k\":\"event\",\"seq\":damaged\n");
  log += small_log(300) + "{\"k\":\"ev";  // another header within the batch, and a torn end
  for (const uint64_t from_ns : {uint64_t{0}, header().realtime_ns + 1}) {
    std::vector<uint64_t> seqs[3];
    LogReport reports[3];
    LogReader readers[3] = {LogReader(), LogReader(3, run_backwards), LogReader(3, run_on_threads)};
    for (size_t n = 0; n < 3; ++n) {
      readers[n].set_window(from_ns, 0);
      for (size_t i = 0; i < log.size(); i += 70'000)
        readers[n].feed(std::string_view(log).substr(i, 70'000),
                        [&](LogRecord&& record) { seqs[n].push_back(record.seq); });
      readers[n].end_file();
      reports[n] = readers[n].report();
      EXPECT_EQ(seqs[n], seqs[0]);
      EXPECT_EQ(reports[n].records, reports[0].records);
      EXPECT_EQ(reports[n].damaged_line, reports[0].damaged_line);
      EXPECT_EQ(reports[n].damaged_lines, 1u);
      EXPECT_EQ(reports[n].missing_records, reports[0].missing_records);
      EXPECT_EQ(reports[n].repeated_records, reports[0].repeated_records);
      EXPECT_EQ(reports[n].torn_bytes, 8u);
    }
  }
}

TEST(LogReader, PiecesOfAnySizeGiveTheSameRecords) {
  const std::string log = small_log(3);
  const Read whole = read(log);
  EXPECT_EQ(whole.records.size(), 10u);
  EXPECT_FALSE(whole.report.is_damaged());
  EXPECT_EQ(whole.report.lost_records, 5u);
  for (const size_t piece : {1u, 2u, 7u, 100u, 1000u}) {
    const Read pieces = read(log, piece);
    ASSERT_EQ(pieces.records.size(), whole.records.size()) << piece;
    for (size_t i = 0; i < pieces.records.size(); ++i) {
      EXPECT_EQ(pieces.records[i].seq, whole.records[i].seq);
      EXPECT_EQ(pieces.records[i].body.index(), whole.records[i].body.index());
    }
  }
}

TEST(LogReader, ALogCutAnywhereIsReadToItsLastWholeLine) {
  const std::string log = small_log(2);
  for (size_t cut = 0; cut <= log.size(); ++cut) {
    const std::string part = log.substr(0, cut);
    const auto lines = static_cast<size_t>(std::count(part.begin(), part.end(), '\n'));
    const size_t torn = part.size() - (part.rfind('\n') + 1);  // npos + 1 is 0
    const Read result = read(part);
    ASSERT_EQ(result.records.size(), lines) << cut;
    ASSERT_EQ(result.report.torn_bytes, torn) << cut;
    ASSERT_EQ(result.report.damaged_lines, 0u) << cut;
    ASSERT_EQ(result.report.missing_records, 0u) << cut;
  }
}

TEST(LogReader, ADamagedLineIsSkippedAndPlaced) {
  std::string log = small_log(2);
  const size_t second = log.find('\n') + 1;
  log[second] = '[';
  const Read result = read(log);
  EXPECT_EQ(result.records.size(), 8u);
  EXPECT_EQ(result.report.damaged_lines, 1u);
  EXPECT_EQ(result.report.damaged_line, 2u);
  EXPECT_EQ(result.report.damaged_offset, second);
  EXPECT_EQ(result.report.damage, "the line is not a JSON object");
  EXPECT_EQ(result.report.missing_records, 0u);  // the damaged line explains the gap
}

TEST(LogReader, ARemovedLineIsMissing) {
  std::string log = small_log(2);
  const size_t second = log.find('\n') + 1;
  log.erase(second, log.find('\n', second) + 1 - second);
  const Read result = read(log);
  EXPECT_EQ(result.report.missing_records, 1u);
  EXPECT_EQ(result.report.damaged_lines, 0u);
  EXPECT_TRUE(result.report.is_damaged());
}

TEST(LogReader, ADiskLossExplainsItsGapExactly) {
  LogEncoder encoder;
  std::string log;
  std::string dropped;
  encoder.header(log, header());
  encoder.event(log, kEvent);
  for (int i = 0; i < 7; ++i) encoder.event(dropped, kEvent);
  encoder.loss_at(log, {500'000'000'002, "disk", -1, 7, 0, 0}, 2);
  encoder.event(log, kEvent);
  EXPECT_FALSE(read(log).report.is_damaged());
  EXPECT_EQ(read(log).report.lost_records, 7u);
  encoder.event(dropped, kEvent);
  encoder.event(log, kEvent);
  EXPECT_EQ(read(log).report.missing_records, 1u);
}

TEST(LogReader, TheSameFileTwiceIsNoticed) {
  const std::string log = small_log(1);
  EXPECT_GT(read(log + log).report.repeated_records, 0u);
}

TEST(LogReader, SegmentsOfASessionContinueAndNewSessionsStartAnew) {
  LogEncoder encoder;
  std::string log;
  encoder.header(log, header());
  encoder.event(log, kEvent);
  encoder.header(log, header());
  encoder.event(log, kEvent);
  LogEncoder restarted;
  restarted.header(log, header("other"));
  restarted.event(log, kEvent);
  LogEncoder rebooted;
  rebooted.header(log, header("third", "c"));
  const LogReport report = read(log).report;
  EXPECT_FALSE(report.is_damaged());
  EXPECT_EQ(report.sessions, 3u);
  EXPECT_EQ(report.boots, 2u);
  EXPECT_EQ(report.hosts, 1u);
}

TEST(LogReader, EndlessLinesDoNotEatTheMemory) {
  LogReader reader;
  const std::string block(1 << 20, 'x');
  size_t records = 0;
  const auto count = [&](LogRecord&&) { ++records; };
  for (int i = 0; i < 40; ++i) reader.feed(block, count);
  reader.feed("\n" + small_log(1), count);
  reader.end_file();
  EXPECT_EQ(reader.report().damaged_lines, 1u);
  EXPECT_EQ(reader.report().damage, "the line is longer than 16 MiB");
  EXPECT_EQ(records, 8u);
}

// Bytes are changed, removed, doubled and swapped. Nothing may crash, and no more records come out than lines
// went in.
TEST(LogReader, MutatedLogsAreReadOrReported) {
  const std::string log = small_log(4);
  std::mt19937 random(static_cast<uint32_t>(test::rounds("MUTATIONS_SEED", 7)));
  for (int left = test::rounds("MUTATIONS", 20'000); left > 0; --left) {
    std::string mutated = log;
    for (uint32_t changes = 1 + random() % 4; changes > 0; --changes) {
      const size_t at = random() % mutated.size();
      switch (random() % 4) {
        case 0:
          mutated[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          mutated.erase(at, 1 + random() % 40);
          break;
        case 2:
          mutated.insert(at, mutated.substr(random() % mutated.size(), random() % 40));
          break;
        default:
          mutated[at] = "{}[]\",:0\\\n-e"[random() % 12];
      }
      if (mutated.empty()) mutated.push_back('{');
    }
    const Read result = read(mutated, 1 + random() % 3000);
    const auto lines = static_cast<uint64_t>(std::count(mutated.begin(), mutated.end(), '\n'));
    ASSERT_LE(result.report.records + result.report.damaged_lines, lines);
    ASSERT_EQ(result.report.records, result.records.size());

    const auto at_ns = random() % 2 ? std::optional(header().realtime_ns + random() % 10) : std::nullopt;
    LogSurvey survey(at_ns);
    survey.feed(mutated);
    LogReplay replay;
    replay.begin_at(survey);
    const uint64_t begin = survey.start().offset;
    ASSERT_LE(begin, mutated.size());
    if (survey.end() > begin) replay.feed(std::string_view(mutated).substr(begin, survey.end() - begin));
    replay.end_file();
    ASSERT_LE(replay.table().size(), lines);
  }
}

}  // namespace
}  // namespace socktrace
