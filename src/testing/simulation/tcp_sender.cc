#include "src/testing/simulation/tcp_sender.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>

#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/link.h"
#include "src/testing/simulation/tcp_connection.h"
#include "src/testing/simulation/tcp_end.h"

namespace redial::testing::internal {
namespace {

constexpr uint64_t kLargestSegment = 65'536;
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1000 * kMillisecond;
// The kernel's shortest and longest pause before it sends again.
constexpr int64_t kLeastPause = 200 * kMillisecond;
constexpr int64_t kLongestPause = 120 * kSecond;
// net.ipv4.tcp_retries2, and the probe of the tail that goes before.
constexpr int kAttempts = 16;
// A SYN is sent again every second so often, then ever more rarely.
constexpr int kLinearSyns = 4;
constexpr int kSyns = 10;
constexpr int kSynAcks = 5;

}  // namespace

void TcpSender::SetLimits(uint64_t send_buffer, uint64_t receive_buffer) {
  send_buffer_ = send_buffer;
  receive_buffer_ = receive_buffer;
  window_end_ = receive_buffer;
}

void TcpSender::SendHandshake(PacketKind kind) {
  const Instant now = end_.fabric().now();
  handshake_ = kind;
  attempt_ = 0;
  unanswered_since_ = now;
  retransmit_at_ = Plus(now, kSecond);
  Send(kind, 0, 0);
  Rearm();
}

void TcpSender::Connected() {
  handshake_ = PacketKind::kNote;
  retransmit_at_ = kNeverDue;
  attempt_ = 0;
  open_ = true;
  heard_at_ = end_.fabric().now();
  Transmit();
}

void TcpSender::SendOnce(PacketKind kind) {
  Send(kind, sent_, sent_);
  Rearm();
}

size_t TcpSender::Write(std::string_view data) {
  TakeAcknowledgements(end_.fabric().now());
  const uint64_t used = written_ - std::min(written_, acknowledged_);
  const uint64_t room = used < send_buffer_ ? send_buffer_ - used : 0;
  const size_t size = std::min<uint64_t>(data.size(), room);
  if (size == 0) {
    writer_waits_ = true;
    Rearm();
    return 0;
  }
  bytes_.Append(data.substr(0, size));
  written_ += size;
  Transmit();
  return size;
}

void TcpSender::Finish() {
  finishing_ = true;
  Transmit();
}

size_t TcpSender::readable() const { return std::min(arrived_, written_) - read_; }

void TcpSender::Read(char* to, size_t size) {
  bytes_.Take(to, size);
  read_ += size;
  read_at_ = end_.fabric().now();
  if (window_closed_ && !stopped_) {
    BlockOnWindow(read_at_);
    Rearm();
  }
}

void TcpSender::Stop() {
  stopped_ = true;
  handshake_ = PacketKind::kNote;
  retransmit_at_ = window_at_ = probe_at_ = kNeverDue;
  writer_waits_ = window_closed_ = false;
  Rearm();
}

void TcpSender::Transmit() {
  const Instant now = end_.fabric().now();
  while (open_ && !stopped_ && !stuck_ && sent_ < all()) {
    const uint64_t upto = std::min({written_, window_end_, sent_ + kLargestSegment});
    const bool with_end = finishing_ && upto == written_;
    if (upto <= sent_ && !with_end) {
      BlockOnWindow(now);
      break;
    }
    // Not where it is sent again.
    if (acknowledged_ >= ever_sent_) unanswered_since_ = now;
    Send(PacketKind::kData, sent_, upto + (with_end ? 1 : 0));
  }
  Rearm();
}

void TcpSender::Send(PacketKind kind, uint64_t begin, uint64_t end) {
  Fabric& fabric = end_.fabric();
  const Instant now = fabric.now();
  Segment segment{.arrives = now,
                  .sent = now,
                  .kind = kind,
                  .begin = begin,
                  .end = end,
                  .acknowledges = end_.peer().sender().arrived_};
  const uint64_t bytes = std::min(end, written_) - std::min(begin, written_);
  std::optional<Instant> arrives;
  if (!end_.connection().cut()) arrives = end_.out().Carry(now, bytes);
  const PacketFate fate = arrives ? PacketFate::kSent : PacketFate::kLost;
  if (bytes > 0 || kind != PacketKind::kData) {
    fabric.Record(kind, fate, end_.place(), end_.peer().place(), bytes);
  }
  if (end > written_) fabric.Record(PacketKind::kFin, fate, end_.place(), end_.peer().place(), 0);
  ever_sent_ = std::max(ever_sent_, end);
  if (!arrives) {
    Lost(segment);
    return;
  }
  segment.arrives = *arrives;
  if (first_ < flight_.size()) segment.arrives = std::max(*arrives, flight_.back().arrives);
  sent_ = std::max(sent_, end);
  flight_.push_back(segment);
}

void TcpSender::Lost(const Segment& segment) {
  if (stopped_ || segment.end <= segment.begin) return;  // a handshake has its timer
  sent_ = std::min(sent_, segment.begin);
  stuck_ = true;
  lost_from_ = sent_;
  const Instant again = Plus(segment.sent, RetransmitNanos());
  retransmit_at_ = std::max(again, end_.fabric().now());
  Rearm();
}

void TcpSender::Arrived(const Segment& segment) {
  if (segment.begin > arrived_) return;  // what lies between was lost
  arrived_ = std::max(arrived_, segment.end);
  if (stopped_) return;
  const Instant now = end_.fabric().now();
  const std::optional<Instant> back = end_.back().Carry(now, 0);
  if (back) {
    acknowledgements_.push_back({.arrives = *back, .upto = arrived_});
  } else {
    const Instant again = Plus(segment.sent, RetransmitNanos());
    retransmit_at_ = std::min(retransmit_at_, std::max(again, now));
  }
}

void TcpSender::TakeAcknowledgements(Instant now) {
  while (first_acknowledgement_ < acknowledgements_.size() &&
         acknowledgements_[first_acknowledgement_].arrives <= now) {
    Acknowledged(acknowledgements_[first_acknowledgement_++].upto);
  }
  if (first_acknowledgement_ == acknowledgements_.size()) {
    acknowledgements_.clear();
    first_acknowledgement_ = 0;
  }
}

void TcpSender::Acknowledged(uint64_t upto) {
  if (upto <= acknowledged_) return;
  acknowledged_ = upto;
  attempt_ = 0;
  unanswered_since_ = end_.fabric().now();
  sent_ = std::max(sent_, upto);
  if (stuck_ && upto > lost_from_) stuck_ = false;
  // With a closed window it is also what asks whether that has opened.
  if (!stuck_ && acknowledged_ == sent_ && !window_closed_) retransmit_at_ = kNeverDue;
  if (writer_waits_ &&
      written_ - std::min(written_, acknowledged_) <= send_buffer_ - send_buffer_ / 3) {
    writer_waits_ = false;
    end_.writable().Set();
  }
}

void TcpSender::BlockOnWindow(Instant now) {
  if (!window_closed_) {
    window_closed_ = true;
    if (acknowledged_ >= ever_sent_) unanswered_since_ = now;
  }
  // A window is offered again once half of it is free.
  const uint64_t offered = read_ + receive_buffer_;
  if (window_at_ != kNeverDue || offered - window_end_ < (receive_buffer_ + 1) / 2) return;
  // The receiver said so when it read.
  if (const std::optional<Instant> news = end_.back().Carry(std::min(now, read_at_), 0)) {
    window_at_ = std::max(*news, now);
  } else if (retransmit_at_ == kNeverDue) {
    retransmit_at_ = Plus(now, RetransmitNanos());
  }
}

void TcpSender::OpenWindow() {
  window_at_ = kNeverDue;
  window_end_ = read_ + receive_buffer_;
  window_closed_ = false;
  attempt_ = 0;
  Transmit();
}

void TcpSender::Fire() {
  const Instant now = end_.fabric().now();
  Deliver(now);
  if (!stopped_) {
    TakeAcknowledgements(now);
    if (window_at_ <= now) OpenWindow();
    if (handshake_ != PacketKind::kNote) {
      RetransmitHandshake(now);
    } else if (retransmit_at_ != kNeverDue || window_closed_) {
      if (retransmit_at_ <= now || GivesUpAt() <= now) Retransmit(now);
    } else if (!stuck_ && sent_ < all()) {
      Transmit();
    }
  }
  if (!stopped_ && probe_at_ <= now) Probe(now);
  Rearm();
  end_.fabric().Settle(end_.connection());
}

void TcpSender::Deliver(Instant now) {
  while (first_ < flight_.size() && flight_[first_].arrives <= now) {
    const Segment segment = flight_[first_++];
    if (first_ == flight_.size()) {
      flight_.clear();
      first_ = 0;
    }
    end_.peer().Arrive(segment);
  }
}

int64_t TcpSender::RetransmitNanos() const {
  const int64_t pause = kLeastPause + end_.out().latency() + end_.back().latency();
  const int doublings = std::max(attempt_ - 1, 0);
  return doublings > 10 ? kLongestPause : std::min(pause << doublings, kLongestPause);
}

Instant TcpSender::GivesUpAt() const {
  const int64_t timeout = end_.user_timeout();
  if (timeout == kForever) return kNeverDue;
  if (handshake_ != PacketKind::kNote) return Plus(unanswered_since_, timeout);
  if (retransmit_at_ == kNeverDue && !window_closed_) return kNeverDue;
  // The kernel counts from the second time that it sent in vain.
  const int64_t pause = kLeastPause + end_.out().latency() + end_.back().latency();
  return Plus(Plus(unanswered_since_, timeout), 2 * pause);
}

void TcpSender::Retransmit(Instant now) {
  if (GivesUpAt() <= now || attempt_ >= kAttempts) {
    end_.Break(ETIMEDOUT);
    return;
  }
  retransmit_at_ = kNeverDue;
  ++attempt_;
  if (window_closed_ && PeerAnswers() && read_ + receive_buffer_ > window_end_) OpenWindow();
  stuck_ = false;
  sent_ = acknowledged_;
  Transmit();
}

void TcpSender::RetransmitHandshake(Instant now) {
  const bool syn = handshake_ == PacketKind::kSyn;
  if (retransmit_at_ > now && GivesUpAt() > now) return;
  if (GivesUpAt() <= now || attempt_ >= (syn ? kSyns : kSynAcks)) {
    end_.Break(ETIMEDOUT);
    return;
  }
  ++attempt_;
  const int doublings = syn ? std::max(attempt_ - kLinearSyns, 0) : attempt_;
  retransmit_at_ = Plus(now, kSecond << doublings);
  Send(handshake_, 0, 0);
}

bool TcpSender::PeerAnswers() const {
  if (end_.peer().deaf()) return false;
  return !end_.connection().cut() && end_.out().up() && end_.back().up() && end_.peer().known() &&
         end_.peer().host().up();
}

void TcpSender::Suspect() {
  const int64_t idle = ToNanos(end_.options().keepalive_idle);
  if (stopped_ || !open_ || idle == ToNanos(absl::InfiniteDuration())) return;
  probe_at_ = kNeverDue;
  probes_ = 0;
  if (!PeerAnswers()) {
    // Earlier probes were answered, each when its time came.
    const int64_t silent = NanosBetween(heard_at_, end_.fabric().now());
    heard_at_ = Plus(heard_at_, silent / idle * idle);
    probe_at_ = Plus(heard_at_, idle);
  }
  Rearm();
}

void TcpSender::Probe(Instant now) {
  probe_at_ = kNeverDue;
  if (PeerAnswers()) {
    probes_ = 0;
    heard_at_ = now;
    return;
  }
  const SocketOptions& options = end_.options();
  const bool limited = options.user_timeout != absl::InfiniteDuration();
  const bool over = limited ? probes_ > 0 && now - heard_at_ >= options.user_timeout
                            : probes_ >= options.keepalive_probes;
  if (over) {
    end_.Break(ETIMEDOUT);
    return;
  }
  ++probes_;
  probe_at_ = now + options.keepalive_interval;
  const bool arrives = end_.out().up() && end_.peer().host().up();
  if (arrives && !end_.peer().known()) end_.peer().sender().SendOnce(PacketKind::kReset);
}

void TcpSender::Rearm() {
  Instant next = first_ < flight_.size() ? flight_[first_].arrives : kNeverDue;
  if (!stopped_) {
    next = std::min({next, retransmit_at_, window_at_, probe_at_});
    if (retransmit_at_ != kNeverDue || window_closed_) next = std::min(next, GivesUpAt());
    const bool waits = writer_waits_ || retransmit_at_ != kNeverDue;
    if (waits && first_acknowledgement_ < acknowledgements_.size()) {
      next = std::min(next, acknowledgements_[first_acknowledgement_].arrives);
    }
  }
  if (next == kNeverDue) {
    Timer::Stop();
  } else {
    Set(next);
  }
}

}  // namespace redial::testing::internal
