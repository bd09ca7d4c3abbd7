#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "redial/network.h"

namespace redial {
namespace {

TEST(SocketOptions, TheDefaultsAreValid) {
  EXPECT_EQ(SocketOptions().Validate(), absl::OkStatus());
  EXPECT_EQ(ListenOptions().Validate(), absl::OkStatus());
}

TEST(SocketOptions, TheBoundsAreValid) {
  SocketOptions options;
  options.keepalive_idle = absl::Seconds(32767);
  options.keepalive_interval = absl::Seconds(1);
  options.keepalive_probes = 127;
  options.user_timeout = absl::Milliseconds(1);
  EXPECT_EQ(options.Validate(), absl::OkStatus());
  options.keepalive_idle = absl::InfiniteDuration();
  options.user_timeout = absl::InfiniteDuration();
  EXPECT_EQ(options.Validate(), absl::OkStatus());
}

TEST(SocketOptions, EachMistakeIsNamed) {
  const auto with = [](auto set) {
    SocketOptions options;
    set(options);
    return std::string(options.Validate().message());
  };
  using O = SocketOptions;
  EXPECT_EQ(with([](O& o) { o.keepalive_idle = absl::Milliseconds(1500); }),
            "SocketOptions.keepalive_idle is 1.5s; it must be whole seconds from 1 to 32767, or "
            "infinite (no probes)");
  EXPECT_EQ(with([](O& o) { o.keepalive_idle = absl::ZeroDuration(); }),
            "SocketOptions.keepalive_idle is 0; it must be whole seconds from 1 to 32767, or "
            "infinite (no probes)");
  EXPECT_EQ(with([](O& o) { o.keepalive_interval = absl::InfiniteDuration(); }),
            "SocketOptions.keepalive_interval is inf; it must be whole seconds from 1 to 32767");
  EXPECT_EQ(with([](O& o) { o.keepalive_probes = 128; }),
            "SocketOptions.keepalive_probes is 128; it must be from 1 to 127");
  EXPECT_EQ(with([](O& o) { o.user_timeout = -absl::Seconds(1); }),
            "SocketOptions.user_timeout is -1s; it must be from 1ms to 24 days, or infinite (the "
            "kernel's own)");
  EXPECT_EQ(with([](O& o) { o.send_buffer = -1; }),
            "SocketOptions.send_buffer is -1; it must be at least 0 bytes (0: the kernel's own)");
  EXPECT_EQ(with([](O& o) { o.receive_buffer = -2; }),
            "SocketOptions.receive_buffer is -2; it must be at least 0 bytes (0: the kernel's "
            "own)");
}

TEST(SocketOptions, AListenersAreCheckedToo) {
  ListenOptions options;
  options.socket.keepalive_probes = 0;
  EXPECT_EQ(options.Validate().message(),
            "SocketOptions.keepalive_probes is 0; it must be from 1 to 127");
}

}  // namespace
}  // namespace redial
