// What a block of C++ in the documentation may use without saying so.

#ifndef REDIAL_TESTS_DOCS_PRELUDE_H_
#define REDIAL_TESTS_DOCS_PRELUDE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <iostream>
#include <string>
#include <utility>

#include "redial/version.h"

#endif  // REDIAL_TESTS_DOCS_PRELUDE_H_
