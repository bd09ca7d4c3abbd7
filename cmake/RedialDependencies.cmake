# What redial links. A parent project that already brought Abseil or c-ares (add_subdirectory,
# FetchContent) is taken at its word.

if(NOT TARGET absl::status)
  find_package(absl REQUIRED)
endif()
if(NOT TARGET c-ares::cares)
  find_package(c-ares REQUIRED)
endif()

if(NOT TARGET Boost::context)
  find_package(Boost 1.74 REQUIRED COMPONENTS context)
endif()

# For the component `prometheus` alone, which is offered where it is found.
if(REDIAL_PROMETHEUS AND NOT TARGET prometheus-cpp::core)
  find_package(prometheus-cpp CONFIG QUIET)
  if(NOT TARGET prometheus-cpp::core)
    message(STATUS "redial::prometheus isn't offered here: there is no prometheus-cpp::core")
  endif()
endif()

# Header-only and used in .cc files alone: neither installed nor exported.
find_package(nlohmann_json 3 REQUIRED)
find_package(Threads REQUIRED)

# The parts of Abseil that redial's headers and sources use; redial.pc lists the same.
set(REDIAL_ABSL_LIBRARIES
  any_invocable
  function_ref
  inlined_vector
  span
  status
  statusor
  strings
  time
)
list(TRANSFORM REDIAL_ABSL_LIBRARIES PREPEND "absl::" OUTPUT_VARIABLE REDIAL_ABSL_TARGETS)
