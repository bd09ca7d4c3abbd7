#include "src/testing/fake_connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "src/core/strings.h"

namespace redial::testing::internal {
namespace {

using redial::internal::ToAbsl;

std::string Quoted(std::string_view bytes) {
  return absl::StrCat("\"", absl::CHexEscape(ToAbsl(bytes)), "\"");
}

}  // namespace

std::string_view StepName(Step::Kind kind) {
  switch (kind) {
    case Step::Kind::kExpect:
      return "Expect";
    case Step::Kind::kReply:
      return "Reply";
    case Step::Kind::kReplySlowly:
      return "ReplySlowly";
    case Step::Kind::kDelay:
      return "Delay";
    case Step::Kind::kStall:
      return "Stall";
    case Step::Kind::kReset:
      return "Reset";
    case Step::Kind::kClose:
      return "Close";
  }
  return "?";
}

void FakeConnection::Begin() {
  if (!script_.answers) return;
  if (script_.delay == absl::ZeroDuration()) {
    Answer();
  } else {
    Later(script_.delay, [](FakeConnection& self) { self.Answer(); });
  }
}

void FakeConnection::Answer() {
  state_ = script_.error == 0 ? State::kConnected : State::kFailed;
  writable_.Set();
  Run();
}

void FakeConnection::Later(absl::Duration delay, std::function<void(FakeConnection&)> step) {
  network_.runtime.After(delay, [weak = weak_from_this(), step = std::move(step)] {
    const auto self = weak.lock();
    if (self != nullptr && !self->closed_) step(*self);
  });
}

void FakeConnection::Run() {
  if (state_ != State::kConnected || closed_ || pausing_ || broken_) return;
  while (step_ < script_.steps.size()) {
    if (!RunStep(script_.steps[step_])) return;
    ++step_;
  }
  if (!from_client_.empty()) FailUnexpected();
}

bool FakeConnection::RunStep(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kExpect:
      return Match(step);
    case Step::Kind::kReply:
      to_client_ += step.bytes;
      readable_.Set();
      return true;
    case Step::Kind::kReplySlowly:
      pausing_ = true;
      ReplyByte(step, 0);
      return false;
    case Step::Kind::kDelay:
      pausing_ = true;
      Later(step.duration, [](FakeConnection& self) {
        self.pausing_ = false;
        ++self.step_;
        self.Run();
      });
      return false;
    case Step::Kind::kStall:
      from_client_.clear();
      return false;
    case Step::Kind::kReset:
      Break(ECONNRESET);
      return false;
    case Step::Kind::kClose:
      from_client_.clear();
      peer_closed_ = true;
      readable_.Set();
      return false;
  }
  return false;
}

bool FakeConnection::Match(const Step& step) {
  const size_t common = std::min(step.bytes.size(), from_client_.size());
  const auto [expected, written] =
      std::mismatch(step.bytes.begin(), step.bytes.begin() + common, from_client_.begin());
  if (expected != step.bytes.begin() + common) {
    network_.FailNow(
        absl::StrCat(name_, ": expected ", Quoted(step.bytes), ", but the client wrote ",
                     Quoted(from_client_), "; they differ from byte ",
                     expected - step.bytes.begin() + 1, " on"),
        step.where);
    wrong_ = true;
    Break(ECONNRESET);
    return false;
  }
  if (from_client_.size() < step.bytes.size()) return false;
  from_client_.erase(0, step.bytes.size());
  return true;
}

void FakeConnection::FailUnexpected() {
  network_.FailNow(
      absl::StrCat(name_, ": the client wrote ", Quoted(from_client_), ", which nothing expects"),
      script_.where);
  wrong_ = true;
  Break(ECONNRESET);
}

// `step` is found again by its place: the script may grow meanwhile.
void FakeConnection::ReplyByte(const Step& step, size_t at) {
  Later(step.duration, [at](FakeConnection& self) {
    const Step& current = self.script_.steps[self.step_];
    self.to_client_ += current.bytes[at];
    self.readable_.Set();
    if (at + 1 < current.bytes.size()) {
      self.ReplyByte(current, at + 1);
      return;
    }
    self.pausing_ = false;
    ++self.step_;
    self.Run();
  });
}

void FakeConnection::Break(int error) {
  from_client_.clear();
  error_ = error;
  peer_closed_ = true;
  broken_ = true;
  readable_.Set();
  writable_.Set();
}

int FakeConnection::TakeError() { return std::exchange(error_, 0); }

Io FakeConnection::FinishConnect() {
  if (closed_) return {.error = EBADF};
  if (state_ == State::kConnecting) return {.error = EAGAIN, .want = &writable_};
  return {.error = state_ == State::kFailed ? script_.error : 0};
}

Io FakeConnection::TryRead(absl::Span<char> buffer) {
  if (closed_) return {.error = EBADF};
  if (state_ != State::kConnected) return {.error = ENOTCONN};
  if (!to_client_.empty()) {
    const size_t size = std::min(buffer.size(), to_client_.size());
    to_client_.copy(buffer.data(), size);
    to_client_.erase(0, size);
    return {.bytes = size};
  }
  if (error_ != 0) return {.error = TakeError()};
  if (peer_closed_) return {};
  return {.error = EAGAIN, .want = &readable_};
}

Io FakeConnection::TryWrite(std::string_view data) {
  if (closed_) return {.error = EBADF};
  if (state_ != State::kConnected) return {.error = ENOTCONN};
  if (error_ != 0) return {.error = TakeError()};
  if (shut_ || broken_) return {.error = EPIPE};
  if (peer_closed_) {
    broken_ = true;
    return {.bytes = data.size()};
  }
  from_client_ += data;
  Run();
  return {.bytes = data.size()};
}

int FakeConnection::ShutdownWrite() {
  if (closed_) return EBADF;
  if (state_ != State::kConnected || broken_) return ENOTCONN;
  shut_ = true;
  return 0;
}

void FakeConnection::Close() {
  closed_ = true;
  Poke();
}

void FakeConnection::Poke() {
  readable_.Set();
  writable_.Set();
}

void FakeConnection::AppendUnmet() {
  if (wrong_) return;
  std::string wrote = from_client_.empty() ? std::string("nothing more") : Quoted(from_client_);
  for (size_t i = step_; i < script_.steps.size(); ++i) {
    const Step& step = script_.steps[i];
    if (step.kind != Step::Kind::kExpect) continue;
    network_.FailLater(absl::StrCat(name_, ": still expected ", Quoted(step.bytes),
                                    ", but the client wrote ", wrote),
                       step.where);
    // Those behind it could not be met either.
    return;
  }
}

Address FakeStream::local() const {
  const Address peer = connection_->address();
  if (peer.family() == Address::Family::kIpv4) return Address::Ipv4({192, 0, 2, 254}, 50000);
  if (peer.family() == Address::Family::kIpv6) {
    return Address::Ipv6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe}, 50000);
  }
  return Address();
}

}  // namespace redial::testing::internal
