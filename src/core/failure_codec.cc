#include "src/core/failure_codec.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/time.h"
#include "src/core/mix.h"
#include "src/core/short_text.h"
#include "src/core/strings.h"

namespace redial::internal {
namespace {

constexpr char kVersion = 1;

// Which fields follow. The first ones are those of a refusal, so that its mask takes one byte.
enum Field : uint32_t {
  kReasons = 1u << 0,  // those beside `why`
  kRetryAt = 1u << 1,
  kRetryAfter = 1u << 2,
  kPhase = 1u << 3,
  kError = 1u << 4,
  kElapsed = 1u << 5,
  kBytes = 1u << 6,
  kAddress = 1u << 7,
  kTried = 1u << 8,
  kOperation = 1u << 9,
  kTarget = 1u << 10,
  kAttempts = 1u << 11,
  kDeclared = 1u << 12,   // nothing follows: the bit is the value
  kInMessage = 1u << 13,  // operation and target begin the status's message
  kAllFields = (1u << 14) - 1,
};

// In the byte of an enum.
constexpr unsigned kFlag = 0x80;

class Writer {
 public:
  void Byte(unsigned value) {
    const char byte = static_cast<char>(value);
    out_.Append({&byte, 1});
  }
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      Byte(static_cast<unsigned>(value & 0x7f) | 0x80);
      value >>= 7;
    }
    Byte(static_cast<unsigned>(value));
  }
  void Int(int value) { Varint(static_cast<uint32_t>(value)); }
  // A negative one takes ten bytes; there is none in practice.
  void Duration(absl::Duration d) { Varint(static_cast<uint64_t>(ToNanos(d))); }
  void Text(std::string_view text) {
    Varint(text.size());
    out_.Append(text);
  }
  void Tried(const std::vector<AddressTried>& tried) {
    Varint(tried.size());
    for (const AddressTried& each : tried) {
      Text(each.address);
      Int(each.error);
      Duration(each.elapsed);
    }
  }
  void Attempt(const AttemptRecord& record) {
    Int(record.number);
    Byte(static_cast<unsigned>(record.kind) | (record.attempt_timeout ? kFlag : 0));
    Byte(static_cast<unsigned>(record.code));
    Byte(static_cast<unsigned>(record.phase));
    Int(record.error);
    Byte(static_cast<unsigned>(record.sent));
    Varint(record.bytes_sent);
    Varint(record.bytes_received);
    Duration(record.started);
    Duration(record.elapsed);
    Text(record.address);
    Text(record.detail);
    Tried(record.tried);
  }
  std::string_view bytes() const { return out_.view(); }

 private:
  ShortText out_;
};

// Reads until the first thing that can't be right; from then on all reads give zero and `ok()` is
// false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

  unsigned Byte() {
    if (rest_.empty()) {
      Fail();
      return 0;
    }
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const unsigned byte = Byte();
      if (shift == 63 && byte > 1) break;
      value |= uint64_t{byte & 0x7f} << shift;
      if (byte < 0x80) return value;
    }
    Fail();
    return 0;
  }
  int Int() {
    const uint64_t value = Varint();
    if (value > std::numeric_limits<uint32_t>::max()) Fail();
    return ok_ ? static_cast<int>(static_cast<uint32_t>(value)) : 0;
  }
  // `flag` may share its byte.
  template <class E>
  E Enum(E last, bool* flag = nullptr) {
    unsigned value = Byte();
    if (flag != nullptr) {
      *flag = (value & kFlag) != 0;
      value &= ~kFlag;
    }
    if (value > static_cast<unsigned>(last)) Fail();
    return ok_ ? static_cast<E>(value) : E{};
  }
  absl::Duration Duration() {
    const auto nanos = static_cast<int64_t>(Varint());
    if (nanos == std::numeric_limits<int64_t>::max()) return absl::InfiniteDuration();
    if (nanos == std::numeric_limits<int64_t>::min()) return -absl::InfiniteDuration();
    return absl::Nanoseconds(nanos);
  }
  std::string Text() {
    const uint64_t size = Varint();
    if (size > rest_.size()) Fail();
    if (!ok_) return {};
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }
  // Elements are read one by one and not reserved for, so that a count can't ask for more memory
  // than the bytes behind it.
  std::vector<AddressTried> Tried() {
    std::vector<AddressTried> tried;
    for (uint64_t n = Varint(); ok_ && n > 0; --n) {
      AddressTried each;
      each.address = Text();
      each.error = Int();
      each.elapsed = Duration();
      tried.push_back(std::move(each));
    }
    return tried;
  }
  AttemptRecord Attempt() {
    AttemptRecord record;
    record.number = Int();
    record.kind = Enum(AttemptKind::kHedge, &record.attempt_timeout);
    record.code = Enum(absl::StatusCode::kUnauthenticated);
    record.phase = Enum(Phase::kBackoff);
    record.error = Int();
    record.sent = Enum(Sent::kAnswered);
    record.bytes_sent = Varint();
    record.bytes_received = Varint();
    record.started = Duration();
    record.elapsed = Duration();
    record.address = Text();
    record.detail = Text();
    record.tried = Tried();
    return record;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// What a message begins with: "PING cache:6379".
std::string_view Head(std::string_view message, size_t operation, size_t target) {
  const size_t size = operation + target + (operation > 0 && target > 0 ? 1 : 0);
  return size <= message.size() ? message.substr(0, size) : std::string_view();
}

// Whether a message still begins as it did is told by sixteen bits: somebody may have put words of
// his own before it.
uint64_t HeadMark(std::string_view head) { return HashName(head) & 0xffff; }

ReasonSet Only(Reason reason) {
  ReasonSet set;
  set.Add(reason);
  return set;
}

uint32_t FieldsOf(const Failure& f) {
  uint32_t fields = 0;
  const auto has = [&fields](Field field, bool present) {
    if (present) fields |= field;
  };
  has(kReasons, f.reasons != Only(f.why));
  has(kRetryAt, f.retry_at.has_value());
  has(kRetryAfter, f.retry_after.has_value());
  has(kPhase, f.phase != Phase::kNone);
  has(kError, f.error != 0);
  has(kElapsed, f.elapsed != absl::ZeroDuration());
  has(kBytes, f.bytes_sent != 0 || f.bytes_received != 0);
  has(kAddress, !f.address.empty());
  has(kTried, !f.tried.empty());
  has(kOperation, !f.operation.empty());
  has(kTarget, !f.target.empty());
  has(kAttempts, !f.attempts.empty());
  has(kDeclared, f.declared);
  return fields;
}

}  // namespace

// `why` and `sent` share a byte: a ReasonSet has no room for more than 64 reasons.
static_assert(kReasonCount <= 64);

namespace {

void Write(const Failure& f, uint32_t fields, Writer& out) {
  out.Byte(kVersion);
  out.Byte(static_cast<unsigned>(f.why) | static_cast<unsigned>(f.sent) << 6);
  out.Varint(fields);
  // Reason 0 is never in a set.
  if (fields & kReasons) out.Varint(f.reasons.bits() >> 1);
  if (fields & kRetryAt) out.Duration(*f.retry_at);
  if (fields & kRetryAfter) out.Duration(*f.retry_after);
  if (fields & kPhase) out.Byte(static_cast<unsigned>(f.phase));
  if (fields & kError) out.Int(f.error);
  if (fields & kElapsed) out.Duration(f.elapsed);
  if (fields & kBytes) out.Varint(f.bytes_sent);
  if (fields & kBytes) out.Varint(f.bytes_received);
  if (fields & kAddress) out.Text(f.address);
  if (fields & kTried) out.Tried(f.tried);
  if (fields & kOperation) out.Text(f.operation);
  if (fields & kTarget) out.Text(f.target);
  if (fields & kAttempts) {
    out.Varint(f.attempts.size());
    for (const AttemptRecord& record : f.attempts) out.Attempt(record);
  }
}

}  // namespace

absl::Cord EncodeFailure(const Failure& failure) {
  Writer out;
  Write(failure, FieldsOf(failure), out);
  return absl::Cord(ToAbsl(out.bytes()));
}

absl::Cord EncodeRefusal(const Failure& refusal, size_t operation, size_t target,
                         std::string_view message) {
  Writer out;
  Write(refusal, FieldsOf(refusal) | kInMessage, out);
  out.Varint(operation);
  out.Varint(target);
  const uint64_t mark = HeadMark(Head(message, operation, target));
  out.Byte(static_cast<unsigned>(mark & 0xff));
  out.Byte(static_cast<unsigned>(mark >> 8));
  return absl::Cord(ToAbsl(out.bytes()));
}

std::optional<Failure> DecodeFailure(std::string_view bytes, std::string_view message) {
  Reader in(bytes);
  if (in.Byte() != kVersion) return std::nullopt;
  const unsigned packed = in.Byte();
  const uint64_t fields = in.Varint();
  if (!in.ok() || (packed & 63) >= kReasonCount || fields > kAllFields) return std::nullopt;

  Failure f;
  f.why = static_cast<Reason>(packed & 63);
  f.sent = static_cast<Sent>(packed >> 6);
  f.reasons = Only(f.why);
  f.declared = (fields & kDeclared) != 0;
  if (fields & kReasons) f.reasons = ReasonSet::FromBits(in.Varint() << 1);
  if (fields & kRetryAt) f.retry_at = in.Duration();
  if (fields & kRetryAfter) f.retry_after = in.Duration();
  if (fields & kPhase) f.phase = in.Enum(Phase::kBackoff);
  if (fields & kError) f.error = in.Int();
  if (fields & kElapsed) f.elapsed = in.Duration();
  if (fields & kBytes) f.bytes_sent = in.Varint();
  if (fields & kBytes) f.bytes_received = in.Varint();
  if (fields & kAddress) f.address = in.Text();
  if (fields & kTried) f.tried = in.Tried();
  if (fields & kOperation) f.operation = in.Text();
  if (fields & kTarget) f.target = in.Text();
  if (fields & kAttempts) {
    for (uint64_t n = in.Varint(); in.ok() && n > 0; --n) f.attempts.push_back(in.Attempt());
  }
  if (fields & kInMessage) {
    const uint64_t operation = in.Varint();
    const uint64_t target = in.Varint();
    const uint64_t mark = in.Byte() | uint64_t{in.Byte()} << 8;
    if (operation <= message.size() && target <= message.size()) {
      const std::string_view head = Head(message, operation, target);
      if (!head.empty() && HeadMark(head) == mark) {
        f.operation = head.substr(0, operation);
        f.target = head.substr(head.size() - target);
      }
    }
  }
  if (!in.AtEnd()) return std::nullopt;
  return f;
}

}  // namespace redial::internal
