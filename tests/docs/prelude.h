// What a block of C++ in the documentation may use without saying so.

#ifndef REDIAL_TESTS_DOCS_PRELUDE_H_
#define REDIAL_TESTS_DOCS_PRELUDE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "redial/fiber.h"
#include "redial/redial.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/matchers.h"
#include "redial/testing/simulation.h"
#include "redial/version.h"

#endif  // REDIAL_TESTS_DOCS_PRELUDE_H_
