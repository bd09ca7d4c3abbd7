// Counts the ppoll calls of the test program, and makes them fail.
#ifndef REDIAL_TESTS_UNIT_PPOLL_PROBE_H_
#define REDIAL_TESTS_UNIT_PPOLL_PROBE_H_

namespace redial {

// Of the calling thread, since it began.
int PpollCalls();

// The calling thread's next ppoll of more than `descriptors` fails with `error`, without a wait.
void FailNextPpollOfMoreThan(int descriptors, int error);

}  // namespace redial

#endif  // REDIAL_TESTS_UNIT_PPOLL_PROBE_H_
