// A random set of policies, of those that ship and of the law tests' own, for tests that want many.
//
//   SeededChoices choices(42);
//   LawKit kit;
//   AddRandomPolicies(choices, 4, kit);
//   PolicySet set = *PolicySet::Create(kit.list());
//
// Not for more than one thread.
#ifndef REDIAL_TESTS_SUPPORT_LAW_KIT_H_
#define REDIAL_TESTS_SUPPORT_LAW_KIT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "redial/policy_set.h"
#include "tests/support/law_policies.h"

namespace redial::testing {

// Where a test's decisions come from: a seed, or a fuzzer's bytes.
class Choices {
 public:
  virtual ~Choices() = default;
  // Of 0 to n - 1.
  virtual uint32_t Below(uint32_t n) = 0;
  bool OneIn(uint32_t n) { return Below(n) == 0; }
};

class SeededChoices final : public Choices {
 public:
  explicit SeededChoices(uint64_t seed) : state_(seed) {}
  uint32_t Below(uint32_t n) override;

 private:
  uint64_t state_;
};

// Owns policies in one block of memory, in the order in which they were added: policies that are
// alike in configuration are ordered by where they lie, and two kits that were made alike must
// behave alike.
class LawKit {
 public:
  LawKit() = default;
  LawKit(const LawKit&) = delete;
  LawKit& operator=(const LawKit&) = delete;
  ~LawKit();

  template <class T, class... Args>
  T* Add(Args... args) {
    static_assert(sizeof(T) <= kSlot && alignof(T) <= alignof(std::max_align_t));
    T* const policy = new (&storage_[policies_.size() * kSlot]) T(args...);
    policies_.push_back(policy);
    return policy;
  }

  // Policies that don't own; the kit outlives them.
  PolicyList list() const;
  const std::vector<LawPolicy*>& policies() const { return policies_; }
  // How many of them have it.
  int Count(uint32_t capability) const;

  // The first complaint of a policy, with its configuration.
  std::string Audit(bool idle) const;
  std::string State() const;

 private:
  static constexpr size_t kSlot = 384;
  alignas(std::max_align_t) std::array<std::byte, kSlot * PolicySet::kMaxPolicies> storage_;
  std::vector<LawPolicy*> policies_;
};

// Adds up to `count` policies, duplicates in configuration included; fewer where a set would take no
// more of a kind.
void AddRandomPolicies(Choices& choices, int count, LawKit& kit);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_LAW_KIT_H_
