// A program that knows redial from its public headers alone.

#include <iostream>

#include "redial/version.h"

int main() {
  if (redial::Version() != REDIAL_VERSION) {
    std::cerr << "linked redial " << redial::Version() << ", not " << REDIAL_VERSION << '\n';
    return 1;
  }
  std::cout << "consumer of redial " << redial::Version() << '\n';
}
