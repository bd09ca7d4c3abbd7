// A small name server on loopback, UDP and TCP, which answers, delays, drops and fails as it is
// told.
//
//   NameServer server;
//   server.Add("cache.test", "127.0.0.2");
//   server.Add("cache.test", "::1");
//   server.Set("slow.test", {.ipv6_delay = std::chrono::milliseconds(50)});
//   options.servers = {server.address()};
//
// A name that it knows nothing of is NXDOMAIN. Safe between threads; it runs on one of its own,
// which ends with it.
#ifndef REDIAL_TESTS_SUPPORT_NAME_SERVER_H_
#define REDIAL_TESTS_SUPPORT_NAME_SERVER_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace redial::testing {

class NameServer {
 public:
  static constexpr int kServFail = 2;
  static constexpr int kRefused = 5;

  struct Behaviour {
    int rcode = 0;
    std::chrono::milliseconds ipv4_delay{0};  // of the answers to A queries
    std::chrono::milliseconds ipv6_delay{0};
    bool drop_ipv4 = false;   // A queries stay unanswered
    bool drop_ipv6 = false;   // AAAA queries stay unanswered
    bool truncate = false;    // over UDP, so that the client must come again over TCP
    bool wrong_id = false;    // answers with an id that nobody asked for
    bool drop_first = false;  // the first query of each type is lost
  };

  NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;
  ~NameServer();

  // "127.0.0.1:5300".
  const std::string& address() const { return address_; }
  void Add(const std::string& name, const std::string& literal);
  // What `name` stood for until now is forgotten.
  void Replace(const std::string& name, const std::string& literal);
  void Set(const std::string& name, const Behaviour& behaviour);
  // Takes every query and answers none: a black hole.
  void DropAll();
  // "A cache.test", in the order in which they came.
  std::vector<std::string> queries() const;

 private:
  struct Record {
    Behaviour behaviour;
    std::vector<std::string> ipv4;  // as they stand in the packet
    std::vector<std::string> ipv6;
    std::map<uint16_t, int> asked;
  };
  struct Question {
    std::string name;
    uint16_t type = 0;
    std::string bytes;  // as they stand in the packet
  };
  struct Pending {
    std::chrono::steady_clock::time_point at;
    std::string reply;
    std::string to;  // a sockaddr
  };

  void Serve();
  void ServeUdp(std::vector<Pending>& pending);
  void ServeTcp();
  // The reply, or nothing where the query is dropped.
  std::string Answer(const std::string& query, bool tcp, std::chrono::milliseconds& delay);
  static bool Parse(const std::string& query, Question& question);

  int udp_ = -1;
  int tcp_ = -1;
  int stop_ = -1;
  std::string address_;
  mutable std::mutex mu_;
  std::map<std::string, Record> records_;
  std::vector<std::string> queries_;
  bool drop_all_ = false;
  std::thread thread_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_NAME_SERVER_H_
