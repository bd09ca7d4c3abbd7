#include "tests/support/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace redial::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeAaaa = 28;
constexpr size_t kHeader = 12;
constexpr int kNxDomain = 3;

sockaddr* Raw(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

std::string Big16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

uint16_t Read16(const std::string& bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                               static_cast<unsigned char>(bytes[at + 1]));
}

// Both protocols on one free port of 127.0.0.1.
void BindBoth(int& udp, int& tcp, uint16_t& port) {
  for (int tries = 0; tries < 100; ++tries) {
    udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(udp, Raw(address), sizeof address) == 0 &&
        ::getsockname(udp, Raw(address), &size) == 0 &&
        ::bind(tcp, Raw(address), sizeof address) == 0 && ::listen(tcp, 64) == 0) {
      port = ntohs(address.sin_port);
      return;
    }
    ::close(udp);
    ::close(tcp);
  }
  std::abort();
}

bool ReadFully(int fd, std::string& bytes, size_t size) {
  bytes.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::recv(fd, bytes.data() + done, size - done, 0);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

NameServer::NameServer() {
  uint16_t port = 0;
  BindBoth(udp_, tcp_, port);
  address_ = "127.0.0.1:" + std::to_string(port);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { Serve(); });
}

NameServer::~NameServer() {
  const uint64_t one = 1;
  if (::write(stop_, &one, sizeof one) != sizeof one) std::abort();
  thread_.join();
  ::close(udp_);
  ::close(tcp_);
  ::close(stop_);
}

void NameServer::Add(const std::string& name, const std::string& literal) {
  const std::lock_guard lock(mu_);
  std::array<char, 16> bytes;
  if (::inet_pton(AF_INET, literal.c_str(), bytes.data()) == 1) {
    records_[name].ipv4.emplace_back(bytes.data(), 4);
  } else if (::inet_pton(AF_INET6, literal.c_str(), bytes.data()) == 1) {
    records_[name].ipv6.emplace_back(bytes.data(), 16);
  } else {
    std::abort();
  }
}

void NameServer::Replace(const std::string& name, const std::string& literal) {
  {
    const std::lock_guard lock(mu_);
    records_.erase(name);
  }
  Add(name, literal);
}

void NameServer::Set(const std::string& name, const Behaviour& behaviour) {
  const std::lock_guard lock(mu_);
  records_[name].behaviour = behaviour;
}

void NameServer::DropAll() {
  const std::lock_guard lock(mu_);
  drop_all_ = true;
}

std::vector<std::string> NameServer::queries() const {
  const std::lock_guard lock(mu_);
  return queries_;
}

bool NameServer::Parse(const std::string& query, Question& question) {
  size_t at = kHeader;
  while (at < query.size() && query[at] != 0) {
    const size_t length = static_cast<unsigned char>(query[at]);
    if (at + 1 + length > query.size()) return false;
    if (!question.name.empty()) question.name += '.';
    question.name += query.substr(at + 1, length);
    at += 1 + length;
  }
  if (at + 5 > query.size()) return false;
  question.type = Read16(query, at + 1);
  question.bytes = query.substr(kHeader, at + 5 - kHeader);
  std::transform(question.name.begin(), question.name.end(), question.name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return true;
}

std::string NameServer::Answer(const std::string& query, bool tcp,
                               std::chrono::milliseconds& delay) {
  Question question;
  if (query.size() < kHeader || !Parse(query, question)) return {};
  if (question.type != kTypeA && question.type != kTypeAaaa) return {};
  const std::lock_guard lock(mu_);
  queries_.push_back((question.type == kTypeA ? "A " : "AAAA ") + question.name);
  if (drop_all_) return {};
  const auto found = records_.find(question.name);
  Record record;
  int rcode = kNxDomain;
  if (found != records_.end()) {
    record = found->second;
    rcode = record.behaviour.rcode;
    if (++found->second.asked[question.type] == 1 && record.behaviour.drop_first) return {};
  }
  const Behaviour& behaviour = record.behaviour;
  if (question.type == kTypeA ? behaviour.drop_ipv4 : behaviour.drop_ipv6) return {};
  delay = question.type == kTypeA ? behaviour.ipv4_delay : behaviour.ipv6_delay;
  const bool truncate = behaviour.truncate && !tcp;
  std::vector<std::string> data;
  if (rcode == 0 && !truncate) data = question.type == kTypeA ? record.ipv4 : record.ipv6;
  const unsigned id = Read16(query, 0) ^ (behaviour.wrong_id ? 0x5555U : 0U);
  // QR, RD and RA, and TC where it is truncated.
  const unsigned flags = 0x8180U | (truncate ? 0x0200U : 0U) | static_cast<unsigned>(rcode);
  std::string reply = Big16(id) + Big16(flags) + Big16(1) +
                      Big16(static_cast<unsigned>(data.size())) + Big16(0) + Big16(0) +
                      question.bytes;
  for (const std::string& rdata : data) {
    reply += Big16(0xc00c) + Big16(question.type) + Big16(1) + Big16(0) + Big16(1) +
             Big16(static_cast<unsigned>(rdata.size())) + rdata;
  }
  return reply;
}

void NameServer::ServeUdp(std::vector<Pending>& pending) {
  for (;;) {
    std::string query(4096, '\0');
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t n = ::recvfrom(udp_, query.data(), query.size(), 0, Raw(from), &size);
    if (n < 0) return;
    query.resize(static_cast<size_t>(n));
    std::chrono::milliseconds delay{0};
    const std::string reply = Answer(query, /*tcp=*/false, delay);
    if (reply.empty()) continue;
    pending.push_back({Clock::now() + delay, reply,
                       std::string(reinterpret_cast<const char*>(&from), sizeof from)});
  }
}

void NameServer::ServeTcp() {
  const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  // A client that stalls must not stall the server.
  const timeval limit{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string length;
  std::string query;
  while (ReadFully(fd, length, 2) && ReadFully(fd, query, Read16(length, 0))) {
    std::chrono::milliseconds delay{0};
    const std::string reply = Answer(query, /*tcp=*/true, delay);
    if (reply.empty()) break;
    const std::string framed = Big16(static_cast<unsigned>(reply.size())) + reply;
    if (::send(fd, framed.data(), framed.size(), MSG_NOSIGNAL) < 0) break;
  }
  ::close(fd);
}

void NameServer::Serve() {
  std::vector<Pending> pending;
  for (;;) {
    int timeout = -1;
    const auto now = Clock::now();
    std::erase_if(pending, [&](const Pending& p) {
      if (p.at > now) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(p.at - now);
        const int ms = static_cast<int>(left.count());
        timeout = timeout < 0 ? ms : std::min(timeout, ms);
        return false;
      }
      ::sendto(udp_, p.reply.data(), p.reply.size(), 0,
               reinterpret_cast<const sockaddr*>(p.to.data()), static_cast<socklen_t>(p.to.size()));
      return true;
    });
    std::array<pollfd, 3> fds = {{{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}, {stop_, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), timeout);
    if (fds[2].revents != 0) return;
    if (fds[0].revents != 0) ServeUdp(pending);
    if (fds[1].revents != 0) ServeTcp();
  }
}

}  // namespace redial::testing
