// A line protocol whose server does something that may not be done twice, and its client.
#ifndef REDIAL_TESTS_SEEDS_SERVICE_H_
#define REDIAL_TESTS_SEEDS_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "redial/client.h"
#include "redial/socket.h"
#include "tests/seeds/dice.h"

namespace redial::testing {

// What servers did, by the number of the operation: outlives crashes, as a database would.
struct Ledger {
  std::map<uint64_t, int> executions;

  int of(uint64_t id) const {
    const auto found = executions.find(id);
    return found == executions.end() ? 0 : found->second;
  }
};

// Listens on port 80 and serves each connection in a task, until a wait is stopped. It answers
// "DO <id> <bytes>\n" with "DONE <id>\n" and so many bytes once it is done, or with "BUSY\n"
// without having done it, or not at all.
void Serve(Ledger& ledger, Dice dice);

// One request over a fresh connection: what the reply carries.
absl::StatusOr<std::string> Do(Socket& socket, uint64_t id, size_t bytes);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SEEDS_SERVICE_H_
