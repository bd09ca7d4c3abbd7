// Counts the system's functions that a thread calls, by standing between, and may let an allocation
// fail. For a program of its own.
#ifndef REDIAL_TESTS_UNIT_COUNTED_CALLS_H_
#define REDIAL_TESTS_UNIT_COUNTED_CALLS_H_

namespace redial::testing {

struct Counts {
  int receives = 0;
  int sends = 0;
  int waits = 0;
  int clock_reads = 0;
  int allocations = 0;
};
// Of the calling thread, since it set them to zero.
extern constinit thread_local Counts counts;
// Which allocation of the calling thread is to fail, from 1 on and counted from now; 0 for none.
extern constinit thread_local int failing_allocation;

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_COUNTED_CALLS_H_
