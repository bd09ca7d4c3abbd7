#include "src/testing/simulation/trace.h"

#include "absl/strings/str_cat.h"
#include "redial/testing/virtual_runtime.h"
#include "src/core/mix.h"
#include "src/core/strings.h"

namespace redial::testing::internal {
namespace {

std::string_view KindName(PacketKind kind) {
  switch (kind) {
    case PacketKind::kSyn:
      return "SYN";
    case PacketKind::kSynAck:
      return "SYN-ACK";
    case PacketKind::kAck:
      return "ACK";
    case PacketKind::kData:
      return "data";
    case PacketKind::kFin:
      return "FIN";
    case PacketKind::kReset:
      return "RST";
    case PacketKind::kDatagram:
      return "datagram";
    case PacketKind::kUnreachable:
      return "unreachable";
    case PacketKind::kNote:
      break;
  }
  return "?";
}

std::string_view FateName(PacketFate fate) {
  switch (fate) {
    case PacketFate::kSent:
      return "";
    case PacketFate::kLost:
      return " lost";
    case PacketFate::kDropped:
      return " dropped";
    case PacketFate::kAgain:
      return " again";
  }
  return "?";
}

}  // namespace

uint16_t Trace::AddHost(std::string_view name) {
  hosts_.emplace_back(name);
  return static_cast<uint16_t>(hosts_.size() - 1);
}

void Trace::Note(Instant at, std::string_view text) {
  if (limit_ == 0) return;
  hash_ ^= redial::internal::HashName(text);
  notes_.emplace_back(text);
  Add({.at = at.nanos(), .number = static_cast<uint32_t>(notes_.size() - 1)});
}

void Trace::Add(const Record& record) {
  using redial::internal::Mix64;
  const uint64_t where = uint64_t{record.from.host} << 48 | uint64_t{record.from.port} << 32 |
                         uint64_t{record.to.host} << 16 | uint64_t{record.to.port};
  const uint64_t what = uint64_t{record.number} << 16 |
                        uint64_t{static_cast<uint8_t>(record.kind)} << 8 |
                        uint64_t{static_cast<uint8_t>(record.fate)};
  hash_ = Mix64(hash_ ^ Mix64(static_cast<uint64_t>(record.at)) ^ where) ^ what;
  if (records_.size() < limit_) {
    records_.push_back(record);
  } else {
    records_[count_ % limit_] = record;
  }
  ++count_;
}

std::string Trace::Text() const {
  std::string text;
  const size_t first = count_ > records_.size() ? count_ % limit_ : 0;
  for (size_t i = 0; i < records_.size(); ++i) {
    AppendLine(records_[(first + i) % records_.size()], text);
  }
  return text;
}

void Trace::AppendLine(const Record& record, std::string& text) const {
  using redial::internal::ToAbsl;
  const absl::Duration at = Instant::FromNanos(record.at) - Instant::VirtualOrigin();
  absl::StrAppend(&text, FormatSeconds(at), " ");
  if (record.kind == PacketKind::kNote) {
    absl::StrAppend(&text, notes_[record.number], "\n");
    return;
  }
  absl::StrAppend(&text, hosts_[record.from.host], ":", record.from.port, " > ",
                  hosts_[record.to.host], ":", record.to.port, " ", ToAbsl(KindName(record.kind)));
  if (record.number > 0) absl::StrAppend(&text, " ", record.number);
  absl::StrAppend(&text, ToAbsl(FateName(record.fate)), "\n");
}

}  // namespace redial::testing::internal
