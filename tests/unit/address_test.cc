#include "redial/address.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace redial {
namespace {

using Family = Address::Family;

Address Parsed(std::string_view text) {
  const auto address = Address::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.ok() ? *address : Address();
}

TEST(Address, DefaultIsNone) {
  const Address none;
  EXPECT_EQ(none.family(), Family::kNone);
  EXPECT_EQ(none.ToString(), "");
  EXPECT_EQ(none.HostString(), "");
  EXPECT_FALSE(none.is_ip());
  EXPECT_FALSE(none.is_loopback());
}

TEST(Address, ParsesIpv4) {
  const Address address = Parsed("127.0.0.1:80");
  EXPECT_EQ(address, Address::Ipv4({127, 0, 0, 1}, 80));
  EXPECT_EQ(address.family(), Family::kIpv4);
  EXPECT_EQ(address.port(), 80);
  EXPECT_TRUE(address.is_ip());
  EXPECT_EQ(address.ToString(), "127.0.0.1:80");
  EXPECT_EQ(address.HostString(), "127.0.0.1");
  EXPECT_EQ(address.WithPort(81).ToString(), "127.0.0.1:81");
}

TEST(Address, ParsesIpv6) {
  std::array<uint8_t, 16> one{};
  one[15] = 1;
  const Address address = Parsed("[::1]:6379");
  EXPECT_EQ(address, Address::Ipv6(one, 6379));
  EXPECT_EQ(address.ToString(), "[::1]:6379");
  EXPECT_EQ(address.HostString(), "[::1]");
  EXPECT_EQ(Parsed("[2001:DB8:0:0::7]:1").ToString(), "[2001:db8::7]:1");
}

TEST(Address, ParsesAScope) {
  const Address address = Parsed("[fe80::1%2]:80");
  EXPECT_EQ(address.scope_id(), 2u);
  EXPECT_EQ(address.ToString(), "[fe80::1%2]:80");
  EXPECT_NE(address, Parsed("[fe80::1]:80"));
}

TEST(Address, ParsesUnixPaths) {
  const Address address = Parsed("/run/app.sock");
  EXPECT_EQ(address.family(), Family::kUnix);
  EXPECT_EQ(address.path(), "/run/app.sock");
  EXPECT_EQ(address.ToString(), "/run/app.sock");
  EXPECT_EQ(address.HostString(), "/run/app.sock");
  EXPECT_FALSE(address.is_ip());
  EXPECT_EQ(Parsed("@name").ToString(), "@name");
  EXPECT_EQ(Parsed("/run/with space:and@sign").path(), "/run/with space:and@sign");
}

TEST(Address, PortZeroIsTheListenersAny) { EXPECT_EQ(Parsed("0.0.0.0:0").port(), 0); }

TEST(Address, KnowsLoopback) {
  EXPECT_TRUE(Parsed("127.9.9.9:1").is_loopback());
  EXPECT_TRUE(Parsed("[::1]:1").is_loopback());
  EXPECT_TRUE(Parsed("[::ffff:127.0.0.1]:1").is_loopback());
  EXPECT_FALSE(Parsed("[::ffff:10.0.0.1]:1").is_loopback());
  EXPECT_FALSE(Parsed("[::2]:1").is_loopback());
  EXPECT_FALSE(Parsed("10.0.0.1:1").is_loopback());
  EXPECT_FALSE(Parsed("/run/app.sock").is_loopback());
}

TEST(Address, FromLiteralTakesNoNames) {
  EXPECT_EQ(Address::FromLiteral("10.0.0.7", 1), Address::Ipv4({10, 0, 0, 7}, 1));
  EXPECT_EQ(Address::FromLiteral("::1", 1)->ToString(), "[::1]:1");
  EXPECT_EQ(Address::FromLiteral("fe80::1%4294967295", 1)->scope_id(), 4294967295u);
  for (const std::string_view text :
       {"", "cache", "10.0.0", "10.0.0.256", "10.0.0.7 ", "010.0.0.7", "[::1]", "::g", "fe80::1%",
        "fe80::1%0", "fe80::1%eth0", "fe80::1%4294967296", "fe80::1%99999999999", "10.0.0.7%2",
        "::1%2%3"}) {
    EXPECT_EQ(Address::FromLiteral(text, 1), std::nullopt) << text;
  }
  EXPECT_EQ(Address::FromLiteral(std::string_view("::1\0x", 5), 1), std::nullopt);
  EXPECT_EQ(Address::FromLiteral(std::string(100, '1'), 1), std::nullopt);
}

TEST(Address, OrdersAndCompares) {
  EXPECT_LT(Parsed("10.0.0.1:80"), Parsed("[::1]:1"));
  EXPECT_LT(Parsed("10.0.0.1:1"), Parsed("10.0.0.1:2"));
  EXPECT_EQ(Parsed("10.0.0.1:1"), Parsed("10.0.0.1:1"));
}

TEST(Address, EachMistakeHasItsSentence) {
  const struct {
    std::string text;
    const char* message;
  } kRows[] = {
      {"", R"(bad address "": it is empty; write address:port or /path)"},
      {"cache:80",
       R"(bad address "cache:80": the host is not an IPv4 address, nor IPv6 in brackets)"},
      {"1.2.3.256:80",
       R"(bad address "1.2.3.256:80": the host is not an IPv4 address, nor IPv6 in brackets)"},
      {"1.2.3.4", R"(bad address "1.2.3.4": the port is missing; write address:port)"},
      {":80", R"(bad address ":80": the host is missing; write address:port)"},
      {"[10.0.0.1]:80",
       R"(bad address "[10.0.0.1]:80": "10.0.0.1" stands in brackets, but is not an IPv6 address)"},
      {"@", R"(bad address "@": the name after '@' is missing)"},
      {"/run/", R"(bad address "/run/": the path "/run/" is that of a directory)"},
  };
  for (const auto& row : kRows) {
    const auto address = Address::Parse(row.text);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << row.text;
    EXPECT_EQ(address.status().message(), row.message);
  }
}

TEST(AddressUnix, EachMistakeHasItsSentence) {
  const struct {
    std::string text;
    const char* message;
  } kRows[] = {
      {"", R"(bad Unix socket path "": the path is missing; it starts with '/', or with '@' if )"
           R"(abstract)"},
      {"run/app",
       R"(bad Unix socket path "run/app": the path "run/app" is relative; it starts with '/', or )"
       R"(with '@' if abstract)"},
      {std::string("/a\0z", 4),
       R"(bad Unix socket path "/a\x00z": the path contains a NUL character)"},
  };
  for (const auto& row : kRows) {
    const auto address = Address::Unix(row.text);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << row.text;
    EXPECT_EQ(address.status().message(), row.message);
  }
}

TEST(AddressUnix, TakesWhatTheKernelTakes) {
  EXPECT_TRUE(Address::Unix("/" + std::string(106, 'x')).ok());
  EXPECT_TRUE(Address::Unix("@" + std::string(107, 'x')).ok());
  EXPECT_EQ(Address::Unix("/" + std::string(107, 'x')).status().message(),
            "bad Unix socket path \"/" + std::string(79, 'x') +
                "…\": the path has 108 bytes, but the kernel takes at most 107");
  EXPECT_EQ(Address::Unix("@" + std::string(108, 'x')).status().message(),
            "bad Unix socket path \"@" + std::string(79, 'x') +
                "…\": the path has 108 bytes, but the kernel takes at most 107");
}

}  // namespace
}  // namespace redial
