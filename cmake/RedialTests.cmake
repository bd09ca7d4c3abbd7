# Debian's packages for Python are for Debian's interpreter, which needn't be the first one on the PATH.
find_program(REDIAL_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(REDIAL_PYTHON python3)
mark_as_advanced(REDIAL_PYTHON)

# redial_add_tests(KIND SOURCES ... [LIBRARIES ...] [ENVIRONMENT NAME=VALUE]): the test program
# redial_KIND_tests, whose cases ctest knows one by one under the label KIND. No source, no program.
function(redial_add_tests kind)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;ENVIRONMENT")
  if(NOT arg_SOURCES)
    return()
  endif()
  set(program "redial_${kind}_tests")
  add_executable(${program} ${arg_SOURCES})
  target_link_libraries(${program} PRIVATE
    redial_build redial_internal GTest::gmock GTest::gtest GTest::gtest_main ${arg_LIBRARIES}
  )
  redial_use_precompiled(${program} redial_test_headers)
  gtest_discover_tests(${program}
    DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${kind} TIMEOUT 120 ENVIRONMENT "${arg_ENVIRONMENT}"
  )
endfunction()
