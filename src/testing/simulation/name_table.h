// What the simulated name servers know.
#ifndef REDIAL_SRC_TESTING_SIMULATION_NAME_TABLE_H_
#define REDIAL_SRC_TESTING_SIMULATION_NAME_TABLE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/testing/simulation.h"
#include "redial/time.h"

namespace redial::testing::internal {

struct NameEntry {
  std::vector<Address> addresses = {};
  absl::Duration ttl = {};
};

// A host's memory of answers. Used by one thread.
struct NameCache {
  struct Answer {
    std::vector<Address> addresses;
    Instant expires;
  };
  std::map<std::string, Answer> answers;
};

// Used by one thread.
class NameTable {
 public:
  void Set(const std::string& name, NameEntry entry) { entries_[name] = std::move(entry); }
  void SetTroubles(const std::string& name, const NameTroubles& troubles) {
    troubles_[name] = troubles;
  }
  // Null when there is no such name.
  const NameEntry* Find(const std::string& name) const {
    const auto found = entries_.find(name);
    return found != entries_.end() && !found->second.addresses.empty() ? &found->second : nullptr;
  }
  NameTroubles TroublesOf(const std::string& name) const {
    const auto found = troubles_.find(name);
    return found != troubles_.end() ? found->second : NameTroubles();
  }

  // "AAAA cache.internal", in the order in which they were asked.
  const std::vector<std::string>& queries() const { return queries_; }
  void AddQuery(std::string query) { queries_.push_back(std::move(query)); }

 private:
  std::map<std::string, NameEntry> entries_;
  std::map<std::string, NameTroubles> troubles_;
  std::vector<std::string> queries_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_NAME_TABLE_H_
