// Counts the system's functions that a program calls, by standing between. For a program of its own.
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
// Since somebody set it to zero. Not for several threads.
extern Counts counts;

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_COUNTED_CALLS_H_
