// What a fuzz target holds the code to: unlike an assert it is there in every build.
#ifndef REDIAL_TESTS_FUZZ_EXPECT_H_
#define REDIAL_TESTS_FUZZ_EXPECT_H_

#include <cstdio>
#include <cstdlib>

#define REDIAL_FUZZ_EXPECT(condition)                                               \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)

#endif  // REDIAL_TESTS_FUZZ_EXPECT_H_
