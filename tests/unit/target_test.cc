#include "redial/target.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace redial {
namespace {

TEST(Target, NamesAHost) {
  const auto target = Target::Parse("tcp://cache.internal:6379");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->text(), "tcp://cache.internal:6379");
  EXPECT_EQ(target->ToString(), "cache.internal:6379");
  EXPECT_EQ(target->host(), "cache.internal");
  EXPECT_EQ(target->port(), 6379);
  EXPECT_FALSE(target->address().has_value());
}

TEST(Target, KnowsLiteralsByThemselves) {
  const auto ipv4 = Target::Parse("tcp://127.0.0.1:80");
  ASSERT_TRUE(ipv4.ok()) << ipv4.status();
  EXPECT_EQ(ipv4->host(), "127.0.0.1");
  EXPECT_EQ(ipv4->address(), Address::Ipv4({127, 0, 0, 1}, 80));
  EXPECT_EQ(ipv4->ToString(), "127.0.0.1:80");

  const auto ipv6 = Target::Parse("tcp://[fe80::1%2]:80");
  ASSERT_TRUE(ipv6.ok()) << ipv6.status();
  EXPECT_EQ(ipv6->host(), "fe80::1%2");
  EXPECT_EQ(ipv6->port(), 80);
  EXPECT_EQ(ipv6->ToString(), "[fe80::1%2]:80");
}

TEST(Target, NamesAUnixSocket) {
  const auto path = Target::Parse("unix:///run/app.sock");
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(path->host(), "");
  EXPECT_EQ(path->port(), 0);
  EXPECT_EQ(path->address()->path(), "/run/app.sock");
  EXPECT_EQ(path->ToString(), "/run/app.sock");

  const auto abstract = Target::Parse("unix://@app");
  ASSERT_TRUE(abstract.ok()) << abstract.status();
  EXPECT_EQ(abstract->ToString(), "@app");
}

TEST(Target, NamesAServiceOfDatagrams) {
  const auto name = Target::Parse("UDP://statsd.internal:8125");
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_EQ(name->transport(), Target::Transport::kUdp);
  EXPECT_EQ(name->text(), "UDP://statsd.internal:8125");
  EXPECT_EQ(name->ToString(), "statsd.internal:8125");
  EXPECT_EQ(name->host(), "statsd.internal");
  EXPECT_EQ(name->port(), 8125);
  EXPECT_FALSE(name->address().has_value());
  const auto literal = Target::Parse("udp://[::1]:53");
  ASSERT_TRUE(literal.ok()) << literal.status();
  EXPECT_EQ(literal->address(), *Address::Parse("[::1]:53"));

  EXPECT_EQ(Target::Parse("tcp://a:1")->transport(), Target::Transport::kTcp);
  EXPECT_EQ(Target::Parse("unix:///a")->transport(), Target::Transport::kUnix);
  EXPECT_FALSE(*Target::Parse("udp://a:1") == *Target::Parse("tcp://a:1"));
}

TEST(Target, TakesWhatIsUnusualButRight) {
  const std::string label(63, 'a');
  const std::string name = label + "." + label + "." + label + "." + std::string(61, 'a');
  for (const std::string& text :
       {std::string("TCP://Cache:1"), std::string("Unix:///a"), std::string("tcp://a:65535"),
        std::string("tcp://a:0080"), std::string("tcp://a.b.:80"), std::string("tcp://_x._tcp:80"),
        std::string("tcp://a-b_c.d9:80"), std::string("tcp://4.example:80"),
        "tcp://" + name + ":80", "tcp://" + name + ".:80", std::string("unix:///a b@c:d")}) {
    const auto target = Target::Parse(text);
    EXPECT_TRUE(target.ok()) << target.status();
    if (!target.ok()) continue;
    EXPECT_EQ(target->text(), text);
  }
}

TEST(Target, ComparesByWhatWasGiven) {
  EXPECT_EQ(*Target::Parse("tcp://a:1"), *Target::Parse("tcp://a:1"));
  EXPECT_FALSE(*Target::Parse("tcp://a:1") == *Target::Parse("tcp://a:2"));
}

struct Mistake {
  std::string text;
  std::string_view problem;
};

void ExpectProblem(const Mistake& mistake) {
  const auto target = Target::Parse(mistake.text);
  EXPECT_EQ(target.status().code(), absl::StatusCode::kInvalidArgument) << mistake.text;
  const std::string_view message(target.status().message().data(),
                                 target.status().message().size());
  EXPECT_TRUE(message.starts_with("bad target \"")) << message;
  const size_t colon = message.find("\": ");
  ASSERT_NE(colon, std::string_view::npos) << message;
  EXPECT_EQ(message.substr(colon + 3), mistake.problem) << message;
}

void ExpectProblems(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) ExpectProblem(mistake);
}

TEST(Target, ReadsAsOneSentence) {
  EXPECT_EQ(Target::Parse("tcp://cache").status().message(),
            R"(bad target "tcp://cache": the port is missing; write tcp://host:port)");
}

TEST(Target, EachMistakeInTheSchemeHasItsSentence) {
  ExpectProblems({
      {"", "it is empty; write tcp://host:port or unix:///path"},
      {"cache:80", "it names no scheme; write tcp://host:port or unix:///path"},
      {"unix:/run/a", "it names no scheme; write tcp://host:port or unix:///path"},
      {"://a:80", "it names no scheme; write tcp://host:port or unix:///path"},
      {"http://a:80", R"(the scheme "http" is unknown; redial knows tcp://, unix:// and udp://)"},
      {" tcp://a:80", R"(the scheme " tcp" is unknown; redial knows tcp://, unix:// and udp://)"},
      {"tls://a:443", "tls:// needs redial's TLS component, which this build does not have"},
      {"TLS://", "tls:// needs redial's TLS component, which this build does not have"},
  });
}

TEST(Target, EachMistakeAroundTheHostHasItsSentence) {
  ExpectProblems({
      {"tcp://", "host and port are missing; write tcp://host:port"},
      {"tcp://:80", "the host is missing; write tcp://host:port"},
      {"tcp:// :80", "it contains white space"},
      {"tcp://a:80\n", "it contains white space"},
      {"tcp://a\x01:80", "it contains a control character"},
      {std::string("tcp://a\0:80", 11), "it contains a control character"},
      {"tcp://u@a:80", "a user name or password has no place in it; write tcp://host:port"},
      {"tcp://a:80/", R"(nothing may follow the port, but "/" does; write tcp://host:port)"},
      {"tcp://a/b:80", R"(nothing may follow the port, but "/b:80" does; write tcp://host:port)"},
      {"tcp://a:80?x=1", R"(nothing may follow the port, but "?x=1" does; write tcp://host:port)"},
      {"tcp://a:80#x", R"(nothing may follow the port, but "#x" does; write tcp://host:port)"},
      {"tcp://::1:80", "an IPv6 address must stand in brackets, as in [::1]:80"},
      {"tcp://fe80::1%2", "an IPv6 address must stand in brackets, as in [::1]:80"},
      {"tcp://a:80:90", "it has too many colons; write tcp://host:port"},
  });
}

TEST(Target, MistakesInADatagramServiceNameItsForm) {
  ExpectProblems({
      {"udp://", "host and port are missing; write udp://host:port"},
      {"udp://statsd", "the port is missing; write udp://host:port"},
      {"udp://:8125", "the host is missing; write udp://host:port"},
      {"udp://a:0", "port 0 can't be connected to; ports are 1 to 65535"},
      {"udp://a:1/x", R"(nothing may follow the port, but "/x" does; write udp://host:port)"},
      {"udp://::1:53", "an IPv6 address must stand in brackets, as in [::1]:80"},
      {"udp:a:53", "it names no scheme; write tcp://host:port or unix:///path"},
  });
}

TEST(Target, EachMistakeInBracketsHasItsSentence) {
  ExpectProblems({
      {"tcp://[::1:80", "the bracket is not closed; write [address]:port"},
      {"tcp://[]:80", "the brackets are empty; write [address]:port"},
      {"tcp://[::1]", "the port is missing; write tcp://host:port"},
      {"tcp://[::1]:", "the port is missing; write tcp://host:port"},
      {"tcp://[::1]80", R"("80" follows the bracket, where only :port may)"},
      {"tcp://[::g]:80", R"("::g" stands in brackets, but is not an IPv6 address)"},
      {"tcp://[127.0.0.1]:80", R"("127.0.0.1" stands in brackets, but is not an IPv6 address)"},
      {"tcp://[cache]:80", R"("cache" stands in brackets, but is not an IPv6 address)"},
      {"tcp://[::g%2]:80", R"("::g" stands in brackets, but is not an IPv6 address)"},
      {"tcp://[fe80::1%eth0]:80",
       R"(the scope "eth0" is not the number of a network interface, as in [fe80::1%2])"},
  });
}

TEST(Target, EachMistakeInThePortHasItsSentence) {
  ExpectProblems({
      {"tcp://a", "the port is missing; write tcp://host:port"},
      {"tcp://a:", "the port is missing; write tcp://host:port"},
      {"tcp://a:http", R"(the port "http" is not a number from 1 to 65535)"},
      {"tcp://a:-1", R"(the port "-1" is not a number from 1 to 65535)"},
      {"tcp://a:+80", R"(the port "+80" is not a number from 1 to 65535)"},
      {"tcp://a:8x", R"(the port "8x" is not a number from 1 to 65535)"},
      {"tcp://a:0", "port 0 can't be connected to; ports are 1 to 65535"},
      {"tcp://a:65536", R"(the port "65536" is above 65535, the last one)"},
      {"tcp://a:4294967376", R"(the port "4294967376" is above 65535, the last one)"},
  });
}

TEST(Target, EachMistakeInTheHostHasItsSentence) {
  const std::string label(63, 'a');
  const std::string long_name = label + "." + label + "." + label + "." + std::string(62, 'a');
  const std::string shown(40, 'a');
  const std::string too_long = "the host \"" + shown + "…\" is longer than 253 characters";
  const std::string long_label =
      "the host \"" + shown + "…\" has a label of more than 63 characters";
  ExpectProblems({
      {"tcp://a..b:80", R"(the host "a..b" has an empty label)"},
      {"tcp://.a:80", R"(the host ".a" has an empty label)"},
      {"tcp://.:80", R"(the host "." has an empty label)"},
      {"tcp://a..:80", R"(the host "a.." has an empty label)"},
      {"tcp://a,b:80",
       R"(the host "a,b" contains ",", but only letters, digits, '-', '_' and '.' may stand )"
       "there"},
      {"tcp://a]:80",
       R"(the host "a]" contains "]", but only letters, digits, '-', '_' and '.' may stand )"
       "there"},
      {"tcp://\xc3\xa9:80", R"(the host "\xc3\xa9" is not in ASCII; write its xn-- form)"},
      {"tcp://-a:80", R"(the host "-a" has a label that begins or ends with '-')"},
      {"tcp://a.b-:80", R"(the host "a.b-" has a label that begins or ends with '-')"},
      {"tcp://" + long_name + ":80", too_long},
      {"tcp://a" + label + ":80", long_label},
      {"tcp://256.1.1.1:80",
       R"(the host "256.1.1.1" is neither a name nor an IPv4 address of four numbers up to )"
       "255"},
      {"tcp://10.1:80",
       R"(the host "10.1" is neither a name nor an IPv4 address of four numbers up to 255)"},
      {"tcp://127.0.0.1.:80",
       R"(the host "127.0.0.1." is neither a name nor an IPv4 address of four numbers up to )"
       "255"},
  });
}

TEST(Target, EachMistakeInAPathHasItsSentence) {
  ExpectProblems({
      {"unix://", "the path is missing; it starts with '/', or with '@' if abstract"},
      {"unix://run/a",
       R"(the path "run/a" is relative; it starts with '/', or with '@' if abstract)"},
      {"unix://@", "the name after '@' is missing"},
      {"unix:///", R"(the path "/" is that of a directory)"},
      {std::string("unix:///a\0b", 11), "the path contains a NUL character"},
      {"unix:///" + std::string(107, 'x'),
       "the path has 108 bytes, but the kernel takes at most 107"},
  });
}

TEST(Target, NeverQuotesAPassword) {
  const struct {
    std::string_view text;
    const char* message;
  } kRows[] = {
      {"tcp://me:secret@a:80",
       "bad target \"tcp://…@a:80\": a user name or password has no place in it; write "
       "tcp://host:port"},
      {"redis://me:s@cret@a:80",
       "bad target \"redis://…@a:80\": the scheme \"redis\" is unknown; redial knows tcp://, "
       "unix:// and udp://"},
      {"me:secret@a:80",
       "bad target \"…@a:80\": it names no scheme; write tcp://host:port or unix:///path"},
      {"unix://a@b",
       "bad target \"unix://a@b\": the path \"a@b\" is relative; it starts with '/', or with '@' "
       "if abstract"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(Target::Parse(row.text).status().message(), row.message);
  }
}

TEST(Target, QuotesNoMoreThanALineHolds) {
  const std::string huge(100'000, '\xff');
  for (const std::string& text :
       {huge, "tcp://" + huge, "tcp://a:" + huge, "tcp://[" + huge + "]:1", huge + "://a:1",
        "unix://" + huge, "tcp://a:1/" + huge, "tcp://a@" + huge, huge + "@a"}) {
    const auto target = Target::Parse(text);
    EXPECT_EQ(target.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_LT(target.status().message().size(), 1000u);
  }
}

}  // namespace
}  // namespace redial
