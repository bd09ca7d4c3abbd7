// A program that runs redial's calls in fibers: a server and two hundred clients in two threads.

#include <atomic>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "redial/fiber.h"
#include "redial/redial.h"

namespace {

constexpr int kClients = 200;

void Serve(redial::Listener& listener, std::vector<redial::Task>& connections) {
  for (int i = 0; i < kClients; ++i) {
    auto accepted = listener.Accept();
    if (!accepted.ok()) return;
    auto connection = redial::Runtime::Current().Spawn([socket = *std::move(accepted)]() mutable {
      auto line = socket.ReadUntil("\n");
      if (line.ok()) (void)socket.Write(*line);
    });
    if (connection.ok()) connections.push_back(*std::move(connection));
  }
}

absl::Status Echo(const redial::Client& client) {
  return client.Call({.operation = "echo", .timeout = absl::Seconds(30)},
                     [](redial::Socket& socket) -> absl::Status {
                       if (auto sent = socket.Write("hello\n"); !sent.ok()) return sent;
                       return socket.ReadUntil("\n").status();
                     });
}

int Fail(const absl::Status& status) {
  std::cerr << redial::Story(status) << '\n';
  return 1;
}

}  // namespace

int main() {
  auto fibers = redial::FiberRuntime::Create({.workers = 2, .spread_spawns = true});
  if (!fibers.ok()) return Fail(fibers.status());
  auto listener = redial::Listener::Listen(redial::Address::Ipv4({127, 0, 0, 1}, 0));
  if (!listener.ok()) return Fail(listener.status());
  auto client = redial::Client::Create("tcp://" + listener->local().ToString(), {redial::Retry()});
  if (!client.ok()) return Fail(client.status());

  std::atomic<int> echoed = 0;
  const absl::Status ran = fibers->Run([&] {
    std::vector<redial::Task> tasks;
    auto server = redial::Runtime::Current().Spawn([&] {
      std::vector<redial::Task> connections;
      Serve(*listener, connections);
    });
    for (int i = 0; i < kClients; ++i) {
      auto task = redial::Runtime::Current().Spawn([&] { echoed += Echo(*client).ok(); });
      if (task.ok()) tasks.push_back(*std::move(task));
    }
    tasks.clear();  // joins them
    listener->Close();
  });
  if (!ran.ok()) return Fail(ran);
  std::cout << echoed << " of " << kClients << " echoed\n";
  return echoed == kClients ? 0 : 1;
}
