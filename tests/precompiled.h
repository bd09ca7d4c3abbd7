// What most tests include, for builds with REDIAL_PRECOMPILE. Nothing of namespace redial::testing,
// which would hide the `testing` and `internal` of those that don't include it.
#ifndef REDIAL_TESTS_PRECOMPILED_H_
#define REDIAL_TESTS_PRECOMPILED_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmake/precompiled.h"
#include "redial/fiber.h"
#include "redial/redial.h"

#endif  // REDIAL_TESTS_PRECOMPILED_H_
