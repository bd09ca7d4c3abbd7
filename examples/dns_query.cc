// Asks a name server for the addresses of a name.
//
//   example_dns_query udp://127.0.0.1:53 example.org
#include "examples/dns_query.h"

#include <iostream>

#include "redial/redial.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: example_dns_query udp://SERVER:PORT NAME\n";
    return 2;
  }
  auto dns = DnsClient::Create(argv[1]);
  if (!dns.ok()) {
    std::cerr << dns.status().message() << '\n';
    return 2;
  }
  auto addresses = dns->Ask(argv[2]);
  if (!addresses.ok()) {
    std::cerr << redial::Story(addresses.status()) << '\n';
    return 1;
  }
  for (const std::string& address : *addresses) std::cout << address << '\n';
}
