// What goes wrong in a world: hosts that crash, hang and come back, links that part and are mended,
// names that move, and single operations that fail.
#ifndef REDIAL_TESTS_SEEDS_TROUBLE_H_
#define REDIAL_TESTS_SEEDS_TROUBLE_H_

#include <cstddef>
#include <vector>

#include "redial/testing/injection.h"
#include "redial/testing/simulation.h"
#include "tests/seeds/dice.h"

namespace redial::testing {

// Draws a fault for few operations, or for none. Used by one thread.
class RandomFaults final : public Injector {
 public:
  // One operation of so many; 0 for none.
  RandomFaults(Dice dice, int one_in) : dice_(dice), one_in_(one_in) {}

  Injection On(const Point& point) override;
  size_t injected() const { return injected_; }

 private:
  Dice dice_;
  const int one_in_;
  size_t injected_ = 0;
};

struct Hosts {
  std::vector<SimulatedHost*> servers;
  std::vector<SimulatedHost*> clients;
};

LinkOptions DrawLink(Dice& dice);
// Plans trouble for the first minute. At its end all is well again.
void PlanTrouble(Simulation& sim, const Hosts& hosts, Dice& dice);

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SEEDS_TROUBLE_H_
