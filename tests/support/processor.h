// Puts the calling thread on a processor of the test's choice, for what differs between them.
//
//   std::thread([] {
//     testing::MoveTo(1);
//     ...
//   });
#ifndef REDIAL_TESTS_SUPPORT_PROCESSOR_H_
#define REDIAL_TESTS_SUPPORT_PROCESSOR_H_

#include <sched.h>

#include <cstddef>
#include <thread>

namespace redial::testing {

// Of those that there are, counted round. Where it isn't allowed the thread stays where it is.
inline void MoveTo(size_t processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor % std::thread::hardware_concurrency(), &one);
  (void)::sched_setaffinity(0, sizeof one, &one);
}

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_PROCESSOR_H_
