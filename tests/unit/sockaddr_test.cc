#include "src/net/sockaddr.h"

#include <sys/un.h>

#include <cstddef>
#include <string>

#include "gtest/gtest.h"

namespace redial::internal {
namespace {

TEST(SockAddr, AddressesSurviveTheKernelsForm) {
  for (const char* text :
       {"127.0.0.1:80", "[::1]:443", "[fe80::1%2]:1", "/run/app.sock", "@name"}) {
    const Address address = *Address::Parse(text);
    EXPECT_EQ(FromSockAddr(ToSockAddr(address)), address) << text;
  }
  EXPECT_EQ(ToSockAddr(Address()).family(), AF_UNSPEC);
  EXPECT_EQ(FromSockAddr(SockAddr()), Address());
}

TEST(SockAddr, TheLongestPathFits) {
  const Address address = *Address::Unix("/" + std::string(106, 'x'));
  const SockAddr sockaddr = ToSockAddr(address);
  EXPECT_EQ(sockaddr.size, sizeof(sockaddr_un));
  EXPECT_EQ(FromSockAddr(sockaddr), address);
}

TEST(SockAddr, AnAbstractNameEndsWhereItsSizeSays) {
  const SockAddr sockaddr = ToSockAddr(*Address::Unix("@ab"));
  EXPECT_EQ(sockaddr.size, offsetof(sockaddr_un, sun_path) + 3);
}

TEST(SockAddr, AnUnnamedSocketHasNoAddress) {
  SockAddr sockaddr;
  sockaddr.storage.ss_family = AF_UNIX;
  sockaddr.size = sizeof(sa_family_t);
  EXPECT_EQ(FromSockAddr(sockaddr), Address());
}

}  // namespace
}  // namespace redial::internal
