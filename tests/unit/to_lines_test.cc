// What docs/events.md promises.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "redial/policies/report.h"
#include "redial/policy_set.h"
#include "src/client/json.h"
#include "tests/support/recorded_call.h"

namespace redial {
namespace {

using Json = nlohmann::ordered_json;
using testing::RecordedCall;
using testing::RefusedRecord;

class ToLinesTest : public ::testing::Test {
 protected:
  // The last line.
  Json Last() const {
    Json line = Json::parse(lines_.back(), nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(line.is_object()) << lines_.back();
    return line;
  }
  std::vector<std::string> lines_;
  const SinkPtr sink_ = ToLines([this](std::string_view line) { lines_.emplace_back(line); });
};

TEST_F(ToLinesTest, TellsACallFromBeginningToEnd) {
  RecordedCall call(*sink_);
  call.Start();
  EXPECT_EQ(lines_.back(),
            R"({"event":"call_started","call":"0000000000001234","operation":"PING",)"
            R"("target":"cache:6379","elapsed_ms":0.0,"deadline_ms":2000.0})");
  call.AttemptStarted();
  EXPECT_EQ(lines_.back(),
            R"({"event":"attempt_started","call":"0000000000001234","operation":"PING",)"
            R"("target":"cache:6379","elapsed_ms":0.0,"attempt":1,"kind":"first"})");
  call.Pass(absl::Nanoseconds(1'234'567));
  call.AttemptFailed(RefusedRecord());
  EXPECT_EQ(
      lines_.back(),
      R"({"event":"attempt_ended","call":"0000000000001234","operation":"PING",)"
      R"("target":"cache:6379","elapsed_ms":1.234567,"attempt":1,"kind":"first",)"
      R"("ok":false,"code":"UNAVAILABLE",)"
      R"x("message":"connect to 10.0.0.7:6379: connection refused (ECONNREFUSED)",)x"
      R"("failed_result":false,"phase":"connect","errno":"ECONNREFUSED",)"
      R"("attempt_timeout":false,"sent":"no","bytes_sent":0,"bytes_received":0,"attempt_ms":1.0,"address":"",)"
      R"("tried":[{"address":"10.0.0.7:6379","errno":"ECONNREFUSED","tried_ms":1.0}]})");
  call.Waiting(absl::Milliseconds(50), Reason::kServerHint);
  EXPECT_EQ(lines_.back(), R"({"event":"waiting","call":"0000000000001234","operation":"PING",)"
                           R"("target":"cache:6379","elapsed_ms":1.234567,"attempts":1,)"
                           R"("reason":"server_hint","until_ms":51.234567})");
  call.AttemptStarted();
  EXPECT_EQ(Last()["kind"], "retry");
  call.Connected("10.0.0.7:6379");
  EXPECT_EQ(lines_.back(),
            R"({"event":"connected","call":"0000000000001234","operation":"PING",)"
            R"("target":"cache:6379","elapsed_ms":1.234567,"attempt":2,"kind":"retry",)"
            R"("address":"10.0.0.7:6379"})");
  call.AttemptSucceeded();
  EXPECT_EQ(Last()["ok"], true);
  EXPECT_EQ(Last()["code"], "OK");
  EXPECT_EQ(Last()["errno"], nullptr);
  EXPECT_EQ(Last()["sent"], "answered");
  call.End(absl::OkStatus());
  EXPECT_EQ(lines_.back(),
            R"({"event":"call_ended","call":"0000000000001234","operation":"PING",)"
            R"("target":"cache:6379","elapsed_ms":1.234567,"attempts":2,"ok":true,"code":"OK",)"
            R"("message":"","story":"OK","reason":null,"reasons":[]})");
}

TEST_F(ToLinesTest, AFailedCallTellsItsStoryAndReasons) {
  RecordedCall call(*sink_);
  const absl::Status status = WithFailure(absl::UnavailableError("refused"),
                                          {.operation = "PING", .why = Reason::kFailFast});
  call.AttemptStarted();
  CallEvent event = call.New(CallEvent::Type::kCallEnded);
  event.status = &status;
  event.reason = Reason::kFailFast;
  event.reasons.Add(Reason::kFailFast);
  event.reasons.Add(Reason::kExhausted);
  sink_->On(event);
  const Json line = Last();
  EXPECT_EQ(line["ok"], false);
  EXPECT_EQ(line["code"], "UNAVAILABLE");
  EXPECT_EQ(line["message"], "refused");
  EXPECT_EQ(line["story"], Story(status));
  EXPECT_EQ(line["reason"], "fail_fast");
  EXPECT_EQ(line["reasons"], Json({"exhausted", "fail_fast"}));
}

TEST_F(ToLinesTest, TellsAChangeAndUntilWhenItHolds) {
  RecordedCall call(*sink_);
  CallEvent event = call.New(CallEvent::Type::kPolicyChanged);
  event.policy = "CircuitBreaker";
  event.label = "cache-1";
  event.from = "closed";
  event.to = "open";
  event.until = Deadline::After(event.now, absl::Seconds(5));
  sink_->On(event);
  EXPECT_EQ(lines_.back(),
            R"({"event":"policy_changed","call":"0000000000001234","operation":"PING",)"
            R"("target":"cache:6379","elapsed_ms":0.0,"policy":"CircuitBreaker",)"
            R"("label":"cache-1","from":"closed","to":"open","until_ms":5000.0})");
  event.until = Deadline::Never();
  sink_->On(event);
  EXPECT_EQ(Last()["until_ms"], nullptr);
}

TEST_F(ToLinesTest, TellsAnAttemptTimeout) {
  RecordedCall call(*sink_);
  call.AttemptStarted();
  AttemptRecord record{.code = absl::StatusCode::kDeadlineExceeded, .attempt_timeout = true};
  call.AttemptFailed(record);
  EXPECT_EQ(Last()["attempt_timeout"], true);
}

TEST_F(ToLinesTest, ForeverIsNull) {
  RecordedCall call(*sink_, {.timeout = absl::InfiniteDuration()});
  call.Start();
  EXPECT_EQ(Last()["deadline_ms"], nullptr);
  call.Waiting(absl::InfiniteDuration(), Reason::kQueued);
  EXPECT_EQ(Last()["until_ms"], nullptr);
  RecordedCall past(*sink_, {.timeout = absl::Seconds(-1)});
  past.Start();
  EXPECT_EQ(Last()["deadline_ms"], 0.0);
  CallEvent late = call.New(CallEvent::Type::kCallStarted);
  late.deadline = Deadline(late.began - absl::Seconds(1));
  sink_->On(late);
  EXPECT_EQ(Last()["deadline_ms"], 0.0);
}

TEST_F(ToLinesTest, NamesEveryKindAndEverySent) {
  RecordedCall call(*sink_);
  CallEvent event = call.New(CallEvent::Type::kAttemptEnded);
  AttemptRecord record;
  event.record = &record;
  event.kind = AttemptKind::kHedge;
  std::set<std::string> names;
  for (const Sent sent : {Sent::kNo, Sent::kMaybe, Sent::kRejected, Sent::kAnswered}) {
    record.sent = sent;
    sink_->On(event);
    names.insert(Last()["sent"].get<std::string>());
  }
  EXPECT_EQ(names, (std::set<std::string>{"no", "maybe", "rejected", "answered"}));
  EXPECT_EQ(Last()["kind"], "hedge");
  call.Asking();
  EXPECT_EQ(Last()["event"], "asking");
}

TEST_F(ToLinesTest, LeavesTicksOut) {
  RecordedCall call(*sink_);
  call.Tick();
  EXPECT_TRUE(lines_.empty());
  EXPECT_EQ(sink_->tick_interval(), absl::InfiniteDuration());
}

TEST_F(ToLinesTest, EveryFieldEventAndReasonIsDocumented) {
  std::ifstream page(REDIAL_SOURCE_DIR "/docs/events.md");
  const std::string text{std::istreambuf_iterator<char>(page), std::istreambuf_iterator<char>()};
  const auto expect_documented = [&](std::string_view name) {
    EXPECT_NE(text.find("`" + std::string(name) + "`"), std::string::npos) << name;
  };
  RecordedCall call(*sink_);
  call.Start();
  call.AttemptStarted();
  call.Connected("10.0.0.7:6379");
  call.AttemptFailed(RefusedRecord());
  call.Waiting(absl::Seconds(1));
  call.Asking();
  call.End(absl::UnavailableError("refused"), Reason::kExhausted);
  ASSERT_EQ(lines_.size(), 7u);
  for (const std::string& line : lines_) {
    const Json parsed = Json::parse(line, nullptr, false);
    expect_documented(parsed["event"].get<std::string>());
    for (const auto& field : parsed.items()) expect_documented(field.key());
  }
  for (int i = 1; i < kReasonCount; ++i) expect_documented(ReasonName(static_cast<Reason>(i)));
}

// A peer's bytes are not ours to trust: every line parses, and is one line.
TEST_F(ToLinesTest, BytesThatArentUtf8AreReplaced) {
  RecordedCall call(*sink_, {.operation = "GET\n\"\\", .target = "\xff\xfe"});
  call.AttemptStarted();
  EXPECT_EQ(Last()["operation"], "GET\n\"\\");
  EXPECT_EQ(Last()["target"], "\ufffd\ufffd");
  EXPECT_EQ(lines_.back().find('\n'), std::string::npos);
  call.AttemptFailed({.code = absl::StatusCode::kInternal, .detail = std::string("a\0b\x80", 4)});
  EXPECT_EQ(Last()["message"], std::string("a\0b\xef\xbf\xbd", 6));
}

TEST(ToLinesFileTest, LinesOfThreadsStayWhole) {
  std::FILE* file = std::tmpfile();
  const SinkPtr sink = ToLines(file);
  {
    std::vector<std::jthread> threads;
    for (uint64_t id = 1; id <= 4; ++id) {
      threads.emplace_back([&sink, id] {
        RecordedCall call(*sink, {.id = id});
        for (int i = 0; i < 200; ++i) {
          call.AttemptStarted();
          call.Tick();
        }
      });
    }
  }
  std::rewind(file);
  char line[1024];
  int lines = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    ++lines;
    EXPECT_FALSE(Json::parse(line, nullptr, false).is_discarded()) << line;
  }
  EXPECT_EQ(lines, 800);
  std::fclose(file);
}

TEST(ToLinesFileTest, FlushesEachLine) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::FILE* file = ::fdopen(ends[1], "w");  // fully buffered
  const SinkPtr sink = ToLines(file);
  RecordedCall(*sink).Start();
  char buffer[1024];
  const ssize_t n = ::read(ends[0], buffer, sizeof buffer);
  ASSERT_GT(n, 0);
  EXPECT_EQ(buffer[n - 1], '\n');
  std::fclose(file);
  ::close(ends[0]);
}

TEST(SinkTest, NamesWhatMakesNoSense) {
  const auto complaint = [](SinkPtr sink) {
    const absl::Status status = PolicySet::Create({Report(std::move(sink))}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(complaint(ToLines(static_cast<std::FILE*>(nullptr))),
            "ToLines.file is null; it must be an open file");
  EXPECT_EQ(complaint(ToLines(std::function<void(std::string_view)>())),
            "ToLines.write is empty; it must be a function");
  EXPECT_EQ(complaint(ToFunction(nullptr)), "ToFunction.function is empty; it must be a function");
}

TEST(ReportTest, PassesEventsAndTicksOn) {
  int events = 0;
  const PolicyPtr report = Report(ToFunction([&](const CallEvent& event) {
    EXPECT_EQ(event.operation, "GET");
    ++events;
  }));
  CallEvent event;
  event.operation = "GET";
  report->Observe(event);
  EXPECT_EQ(events, 1);
  EXPECT_EQ(report->tick_interval(), absl::InfiniteDuration());
  EXPECT_EQ(report->traits().capabilities, Policy::kObserves);
}

TEST(ReportTest, WithoutASinkTakesPartInNothing) {
  EXPECT_EQ(Report()->traits().capabilities, 0u);
  EXPECT_EQ(Report()->tick_interval(), absl::InfiniteDuration());
  EXPECT_TRUE(PolicySet::Create({Report()}).ok());
}

}  // namespace
}  // namespace redial
