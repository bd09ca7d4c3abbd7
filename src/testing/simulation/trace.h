// What happened, in the order in which it happened: packets, and what befell hosts.
//
// Kept as numbers, and written out only when somebody asks. Nothing in it depends on addresses, on
// hash order or on the compiler, so equal seeds give equal text.
#ifndef REDIAL_SRC_TESTING_SIMULATION_TRACE_H_
#define REDIAL_SRC_TESTING_SIMULATION_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redial/time.h"

namespace redial::testing::internal {

enum class PacketKind : uint8_t {
  kSyn,
  kSynAck,
  kAck,
  kData,
  kFin,
  kReset,
  kDatagram,
  kNote,
  kUnreachable,
};
enum class PacketFate : uint8_t { kSent, kLost, kDropped, kAgain };

// One end of a packet's way.
struct Place {
  uint16_t host = 0;  // its number
  uint16_t port = 0;
};

// Used by one thread.
class Trace {
 public:
  // Keeps the last `limit` lines; 0 for none.
  explicit Trace(size_t limit) : limit_(limit) {}

  uint16_t AddHost(std::string_view name);

  void Packet(Instant at, PacketKind kind, PacketFate fate, Place from, Place to, uint32_t bytes) {
    if (limit_ == 0) return;
    Add({.at = at.nanos(), .from = from, .to = to, .number = bytes, .kind = kind, .fate = fate});
  }
  // A line of its own: "server crashed".
  void Note(Instant at, std::string_view text);

  // "0.001s client:32768 > server:80 data 6\n" and so on.
  std::string Text() const;
  // Of every line since the beginning, those that aren't kept any more included.
  uint64_t hash() const { return hash_; }
  size_t count() const { return count_; }

 private:
  struct Record {
    int64_t at = 0;
    Place from = {};
    Place to = {};
    uint32_t number = 0;  // bytes; for a note, which
    PacketKind kind = PacketKind::kNote;
    PacketFate fate = PacketFate::kSent;
  };

  void Add(const Record& record);
  void AppendLine(const Record& record, std::string& text) const;

  const size_t limit_;
  std::vector<std::string> hosts_;
  std::vector<std::string> notes_;
  std::vector<Record> records_;
  size_t count_ = 0;
  uint64_t hash_ = 0;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_TRACE_H_
