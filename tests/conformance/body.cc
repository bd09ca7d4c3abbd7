#include "tests/conformance/body.h"

#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/network.h"
#include "tests/support/kernel.h"

namespace redial::conformance {
namespace {

struct WorldMaker {
  const char* name;
  std::unique_ptr<World> (*make)();
};
constexpr WorldMaker kWorlds[] = {
    {"threads", &MakeThreadWorld},
    {"fibers", &MakeFiberWorld},
    {"simulation", &MakeSimulationWorld},
};

// The one that a body runs in. One test at a time runs in a process.
World* the_world = nullptr;

class WorldTest final : public ::testing::Test {
 public:
  WorldTest(const WorldMaker& maker, std::unique_ptr<Body> (*make_body)())
      : maker_(maker), make_body_(make_body) {}

  void TestBody() override {
    const size_t before = testing::CountDescriptors();
    {
      const std::unique_ptr<World> world = maker_.make();
      the_world = world.get();
      world->Run([this] { make_body_()->Inside(); });
      the_world = nullptr;
    }
    EXPECT_EQ(testing::CountDescriptors(), before) << "a descriptor was left open";
  }

 private:
  const WorldMaker& maker_;
  std::unique_ptr<Body> (*const make_body_)();
};

}  // namespace

World& Body::world() { return *the_world; }

Task Body::Go(absl::AnyInvocable<void()> fn) {
  absl::StatusOr<Task> task = world().SpawnElsewhere(std::move(fn));
  EXPECT_EQ(task.status(), absl::OkStatus());
  return task.ok() ? *std::move(task) : Task();
}

void Body::ExpectTook(Instant began, absl::Duration limit) {
  const absl::Duration took = Now() - began;
  if (world().exact()) {
    EXPECT_EQ(took, limit);
  } else {
    EXPECT_GE(took, limit);
    EXPECT_LT(took, limit + kHang);
  }
}

void Body::ExpectAtOnce(Instant began) { EXPECT_LT(Now() - began, kHang); }

Listener Body::Listen(const ListenOptions& options) {
  return ListenOn(world().Host(1), 0, options);
}

Listener Body::ListenOn(const std::string& host, uint16_t port, const ListenOptions& options) {
  absl::StatusOr<Listener> listener = Listener::Listen(*Address::FromLiteral(host, port), options);
  EXPECT_EQ(listener.status(), absl::OkStatus());
  return *std::move(listener);
}

Target Body::TargetOf(const Address& address) {
  const bool is_path = address.family() == Address::Family::kUnix;
  return *Target::Parse(absl::StrCat(is_path ? "unix://" : "tcp://", address.ToString()));
}

Target Body::TargetOf(const std::string& name, uint16_t port) {
  return *Target::Parse(absl::StrCat("tcp://", name, ":", port));
}

DialOptions Body::Options() {
  DialOptions options;
  options.resolver.servers = world().names().servers();
  return options;
}

Socket Body::Connect(const Address& address) {
  absl::StatusOr<Socket> socket = Dial(TargetOf(address), Guard());
  EXPECT_EQ(socket.status(), absl::OkStatus());
  socket->set_deadline(Deadline::Never());
  return *std::move(socket);
}

Socket Body::Accept(Listener& listener) {
  absl::StatusOr<Socket> socket = listener.Accept(Guard());
  EXPECT_EQ(socket.status(), absl::OkStatus());
  return *std::move(socket);
}

Ends Body::Connected(const SocketOptions& options) {
  Listener listener = Listen({.socket = options});
  DialOptions dial;
  dial.socket = options;
  absl::StatusOr<Socket> client = Dial(TargetOf(listener.local()), Guard(), {}, dial);
  EXPECT_EQ(client.status(), absl::OkStatus());
  client->set_deadline(Deadline::Never());
  return {*std::move(client), Accept(listener)};
}

StreamEnds Body::Streams() {
  const SocketOptions options{.send_buffer = 4096, .receive_buffer = 4096};
  StreamEnds ends;
  auto acceptor =
      CurrentNetwork().Listen(*Address::FromLiteral(world().Host(1), 0), {.socket = options});
  EXPECT_EQ(acceptor.status(), absl::OkStatus());
  auto client = CurrentNetwork().StartConnect((*acceptor)->local(), options);
  EXPECT_EQ(client.status(), absl::OkStatus());
  ends.client = *std::move(client);
  Io io = ends.client->FinishConnect();
  for (; io.error == EAGAIN; io = ends.client->FinishConnect()) {
    EXPECT_EQ(runtime().Wait(*io.want, Guard(), {}), WaitResult::kReady);
  }
  EXPECT_EQ(io.error, 0);
  Acceptor::Result accepted = (*acceptor)->TryAccept();
  for (; accepted.error == EAGAIN; accepted = (*acceptor)->TryAccept()) {
    EXPECT_EQ(runtime().Wait(*accepted.want, Guard(), {}), WaitResult::kReady);
  }
  EXPECT_EQ(accepted.error, 0);
  ends.server = std::move(accepted.stream);
  return ends;
}

namespace {
std::atomic<int> paths{0};
}  // namespace

Address Body::FreePath() {
  return *Address::Unix(absl::StrCat("@redial-", world().Host(1), "-", paths.fetch_add(1)));
}

Address Body::FreeFile() {
  return *Address::Unix(absl::StrCat("/tmp/redial-", world().Host(1), "-", paths.fetch_add(1)));
}

void Body::ExpectTalks(Socket& a, Socket& b) {
  ASSERT_EQ(a.Write("ping\n"), absl::OkStatus());
  b.set_deadline(Guard());
  EXPECT_EQ(b.ReadUntil("\n").value_or("nothing"), "ping\n");
  ASSERT_EQ(b.Write("pong\n"), absl::OkStatus());
  a.set_deadline(Guard());
  EXPECT_EQ(a.ReadUntil("\n").value_or("nothing"), "pong\n");
  a.set_deadline(Deadline::Never());
  b.set_deadline(Deadline::Never());
}

absl::StatusOr<size_t> Body::ReadByte(Socket& socket) {
  char byte = 0;
  return socket.Read(absl::MakeSpan(&byte, 1));
}

int Body::ErrnoOf(const absl::Status& status) {
  const std::optional<Failure> failure = FailureOf(status);
  return failure ? failure->error : -1;
}

bool internal::Register(const char* topic, const char* behaviour, const char* file, int line,
                        std::unique_ptr<Body> (*make)()) {
  for (const WorldMaker& maker : kWorlds) {
    ::testing::RegisterTest(
        topic, absl::StrCat(behaviour, "/", maker.name).c_str(), nullptr, nullptr, file, line,
        [&maker, make]() -> ::testing::Test* { return new WorldTest(maker, make); });
  }
  return true;
}

}  // namespace redial::conformance
