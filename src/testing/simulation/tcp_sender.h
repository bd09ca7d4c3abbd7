// What one end of a connection sends: bytes with an end, in order, and never lost for good while
// the way stands.
//
// The receiver's window and acknowledgements come back a latency later, as they would; but nobody
// schedules an event for one unless the sender waits for it, so that a message costs one event.
// What is lost is sent again after a pause that doubles, from the first byte that wasn't
// acknowledged (RFC 6298 without fast retransmission), as the kernel does when nothing follows.
//
// Times of the kernel's that this reproduces are in docs/simulation.md, with how they were recorded.
#ifndef REDIAL_SRC_TESTING_SIMULATION_TCP_SENDER_H_
#define REDIAL_SRC_TESTING_SIMULATION_TCP_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "redial/time.h"
#include "src/testing/simulation/byte_queue.h"
#include "src/testing/simulation/event_queue.h"
#include "src/testing/simulation/trace.h"

namespace redial::testing::internal {

class TcpEnd;

// On its way. Bytes are counted from the connection's beginning; the end counts as one more.
struct Segment {
  Instant arrives;
  Instant sent;
  PacketKind kind = PacketKind::kData;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t acknowledges = 0;
};

// Used by one thread.
class TcpSender final : public Timer {
 public:
  TcpSender(EventQueue& queue, TcpEnd& end) : Timer(queue), end_(end) {}

  // What the receiver has room for, and what may be written ahead of it.
  void SetLimits(uint64_t send_buffer, uint64_t receive_buffer);

  // For the handshake: sent again until Connected, kSyn and kSynAck.
  void SendHandshake(PacketKind kind);
  // The handshake is over.
  void Connected();
  // Sent once: kAck, kReset.
  void SendOnce(PacketKind kind);

  // How much of `data` there was room for.
  size_t Write(std::string_view data);
  // The end comes after what was written.
  void Finish();
  bool finishing() const { return finishing_; }
  // Whether all, with the end, has been acknowledged.
  bool finished() const { return finishing_ && acknowledged_ > written_; }
  // Whether nothing is on its way or due.
  bool quiet() const { return first_ == flight_.size() && due() == kNeverDue; }

  // The other end's side of it. What has arrived and wasn't read.
  size_t readable() const;
  bool end_arrived() const { return finishing_ && arrived_ > written_; }
  void Read(char* to, size_t size);
  void Acknowledged(uint64_t upto);
  uint64_t read_bytes() const { return read_; }
  uint64_t written_bytes() const { return written_; }

  // The connection is no more: what is on its way still arrives, nothing else is sent.
  void Stop();
  // Something happened to the way or to the peer's host: looks whether anybody still answers.
  void Suspect();
  void Heard(Instant now) { heard_at_ = now; }

  // What was lost where it arrived.
  void Lost(const Segment& segment);
  // Whether there is something in it that hasn't arrived before, other than the end.
  bool BringsBytes(const Segment& segment) const {
    return (segment.end < written_ ? segment.end : written_) > arrived_;
  }
  // New bytes have arrived, or old ones again; the acknowledgement goes back.
  void Arrived(const Segment& segment);

 private:
  struct Acknowledgement {
    Instant arrives;
    uint64_t upto = 0;
  };

  void Fire() override;
  void Deliver(Instant now);
  void TakeAcknowledgements(Instant now);
  void Transmit();
  void Send(PacketKind kind, uint64_t begin, uint64_t end);
  void BlockOnWindow(Instant now);
  void OpenWindow();
  void Retransmit(Instant now);
  void RetransmitHandshake(Instant now);
  void Probe(Instant now);
  bool PeerAnswers() const;
  // How long to wait before `attempt` is given up and the next begins.
  int64_t RetransmitNanos() const;
  Instant GivesUpAt() const;
  // Sets the timer to whatever is due first.
  void Rearm();

  uint64_t all() const { return written_ + (finishing_ ? 1 : 0); }

  TcpEnd& end_;
  ByteQueue bytes_;  // from read_ to written_
  uint64_t send_buffer_ = 0;
  uint64_t receive_buffer_ = 0;

  // read_ <= arrived_ and acknowledged_ <= arrived_, always.
  uint64_t written_ = 0;
  uint64_t sent_ = 0;  // goes back to what is to be sent again
  uint64_t ever_sent_ = 0;
  uint64_t arrived_ = 0;
  uint64_t read_ = 0;
  uint64_t acknowledged_ = 0;  // as far as the sender knows
  uint64_t window_end_ = 0;    // likewise
  bool finishing_ = false;
  bool open_ = false;
  bool stopped_ = false;
  bool writer_waits_ = false;

  std::vector<Segment> flight_;  // from first_ on
  size_t first_ = 0;
  std::vector<Acknowledgement> acknowledgements_;
  size_t first_acknowledgement_ = 0;

  PacketKind handshake_ = PacketKind::kNote;  // what is sent again; kNote for none
  bool stuck_ = false;                        // something is lost, and the pause isn't over
  uint64_t lost_from_ = 0;
  int attempt_ = 0;
  Instant retransmit_at_ = kNeverDue;
  Instant unanswered_since_;
  bool window_closed_ = false;
  Instant window_at_ = kNeverDue;  // when the news of an open window arrives
  Instant read_at_;                // the receiver, last
  Instant heard_at_;
  Instant probe_at_ = kNeverDue;
  int probes_ = 0;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_TCP_SENDER_H_
