#include "benchmarks/load.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmarks/part.h"
#include "benchmarks/suite.h"

namespace redial::benchmarks {
namespace {

double CpuNanos() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

std::vector<int> ConnectTo(int port, int connections) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<int> fds;
  for (int i = 0; i < connections; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) Die("socket");
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die("connect");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fds.push_back(fd);
  }
  return fds;
}

std::unique_ptr<Load> MakeLoad(const PartOptions& options) {
  using Maker = std::unique_ptr<Load> (*)(const std::vector<int>&);
  static const std::map<std::string, Maker> makers = {
      {"asio", MakeAsioLoad},
      {"asio_coro", MakeAsioCoroutineLoad},
      {"asio_lazy", MakeLazyAsioLoad},
      {"threads", MakeThreadLoad},
  };
  if (options.role == "fibers") return MakeFiberLoad(options.port, options.connections);
  return makers.at(options.role)(ConnectTo(options.port, options.connections));
}

}  // namespace

void Window::Open() {
  calls_per_trip_ = static_cast<double>(CountedCalls());
  cpu_nanos_ = CpuNanos();
  nanos_ = NowNanos();
}

void Window::Close() {
  nanos_ = NowNanos() - nanos_;
  cpu_nanos_ = CpuNanos() - cpu_nanos_;
  calls_per_trip_ = (static_cast<double>(CountedCalls()) - calls_per_trip_) / trips();
}

void PlayLoad(const PartOptions& options) {
  std::unique_ptr<Load> load;
  for (std::string line; !(line = ReadLine(options.control)).empty();) {
    long trips = 0;
    if (line == "start") {
      WriteLine(options.control, "started");
      continue;
    }
    if (load == nullptr) load = MakeLoad(options);
    if (line == "hold") {
      load->Hold([&] { WriteLine(options.control, "held"); });
    } else if (std::sscanf(line.c_str(), "run %ld", &trips) == 1) {
      Window window(options.connections, trips);
      load->Run(window);
      WriteLine(options.control,
                absl::StrCat(window.nanos_per_trip(), " ", window.cpu_nanos_per_trip(), " ",
                             window.calls_per_trip()));
    }
  }
}

}  // namespace redial::benchmarks
