# How redial's own targets are compiled. Nothing here reaches a consumer: `redial` and
# `redial_testing` carry cxx_std_20, their include directory and what they link, no more.

if(PROJECT_IS_TOP_LEVEL)
  find_program(REDIAL_CCACHE ccache)
  mark_as_advanced(REDIAL_CCACHE)
  if(REDIAL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Relative paths and no directory in the hash: every clone shares one cache.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_NOHASHDIR=1"
      "CCACHE_SLOPPINESS=pch_defines,time_macros"
    )
    list(APPEND CMAKE_CXX_COMPILER_LAUNCHER "${REDIAL_CCACHE}")
  endif()
endif()

add_library(redial_warnings INTERFACE)
target_compile_options(redial_warnings INTERFACE
  -Wall
  -Wextra
  -Wpedantic
  -Wshadow
  -Wnon-virtual-dtor
  -Woverloaded-virtual
  -Wvla
  -Wcast-qual
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${REDIAL_DEVELOPER}>:-Werror>
)

# The flags of everything compiled in this repository, tests and programs included.
add_library(redial_build INTERFACE)
target_compile_features(redial_build INTERFACE cxx_std_20)
target_link_libraries(redial_build INTERFACE redial_warnings)
target_compile_options(redial_build INTERFACE
  # Debian's Abseil was built by g++; without this, clang mangles Cord(std::string&&) otherwise.
  $<$<AND:$<CXX_COMPILER_ID:Clang>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,18>>:-fclang-abi-compat=17>
)

# redial_compile_as_layer(OBJECTS [LIBRARY...])
function(redial_compile_as_layer objects)
  target_include_directories(${objects} PRIVATE
    "${PROJECT_SOURCE_DIR}/include"
    "${PROJECT_SOURCE_DIR}"
  )
  target_link_libraries(${objects} PRIVATE redial_build ${REDIAL_ABSL_TARGETS} ${ARGN})
  set_target_properties(${objects} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
  )
endfunction()

# redial_layer(NAME SOURCES ... [LIBRARIES ...]): the objects of one layer, which
# redial_add_libraries() collects. A layer with no source yet makes no target.
function(redial_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  if(NOT arg_SOURCES)
    return()
  endif()
  if(REDIAL_PRECOMPILE AND NOT TARGET redial_library_headers)
    redial_precompiled_headers(redial_library_headers "${PROJECT_SOURCE_DIR}/cmake/precompiled.h")
    redial_compile_as_layer(redial_library_headers)
  endif()
  set(objects "redial_${name}_objects")
  add_library(${objects} OBJECT ${arg_SOURCES})
  redial_compile_as_layer(${objects} ${arg_LIBRARIES})
  redial_use_precompiled(${objects} redial_library_headers)
  if(name STREQUAL "testing")
    set_property(GLOBAL APPEND PROPERTY REDIAL_TESTING_OBJECTS "$<TARGET_OBJECTS:${objects}>")
  elseif(name STREQUAL "fiber")
    set_property(GLOBAL APPEND PROPERTY REDIAL_FIBER_OBJECTS "$<TARGET_OBJECTS:${objects}>")
  elseif(name STREQUAL "prometheus")
    set_property(GLOBAL APPEND PROPERTY REDIAL_PROMETHEUS_OBJECTS "$<TARGET_OBJECTS:${objects}>")
  else()
    set_property(GLOBAL APPEND PROPERTY REDIAL_OBJECTS "$<TARGET_OBJECTS:${objects}>")
  endif()
endfunction()

function(redial_describe_library target export_name)
  add_library(redial::${export_name} ALIAS ${target})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
  )
  if(BUILD_SHARED_LIBS)
    # What a static archive contributed stays inside, and a symbol that another library of ours
    # hides is missed here rather than in a user's program.
    target_link_options(${target} PRIVATE -Wl,--exclude-libs,ALL -Wl,-z,defs)
  endif()
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${export_name}
    LINKER_LANGUAGE CXX
    # Installed libraries find each other wherever they lie together.
    INSTALL_RPATH "$ORIGIN"
    VERSION ${PROJECT_VERSION}
    # No stable ABI before 1.0: each minor version is a library of its own.
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  )
endfunction()

# The shipped libraries, and `redial_internal`: the same objects in one static archive without
# regard to symbol visibility, for tests that reach below the public headers.
function(redial_add_libraries)
  get_property(objects GLOBAL PROPERTY REDIAL_OBJECTS)
  get_property(fiber_objects GLOBAL PROPERTY REDIAL_FIBER_OBJECTS)
  get_property(testing_objects GLOBAL PROPERTY REDIAL_TESTING_OBJECTS)
  get_property(prometheus_objects GLOBAL PROPERTY REDIAL_PROMETHEUS_OBJECTS)

  add_library(redial ${objects})
  redial_describe_library(redial redial)
  target_link_libraries(redial
    PUBLIC ${REDIAL_ABSL_TARGETS}
    PRIVATE c-ares::cares Threads::Threads
  )

  add_library(redial_fiber ${fiber_objects})
  redial_describe_library(redial_fiber fiber)
  target_link_libraries(redial_fiber
    PUBLIC redial
    PRIVATE Boost::context Threads::Threads
  )

  # Simulated hosts run in fibers too.
  add_library(redial_testing ${testing_objects})
  redial_describe_library(redial_testing testing)
  target_link_libraries(redial_testing
    PUBLIC redial
    PRIVATE redial_fiber
  )

  if(prometheus_objects)
    add_library(redial_prometheus ${prometheus_objects})
    redial_describe_library(redial_prometheus prometheus)
    target_link_libraries(redial_prometheus PUBLIC redial prometheus-cpp::core)
  endif()

  if(REDIAL_BUILD_TESTS)
    add_library(redial_internal STATIC ${objects} ${fiber_objects} ${testing_objects})
    target_compile_features(redial_internal PUBLIC cxx_std_20)
    target_include_directories(redial_internal PUBLIC
      "${PROJECT_SOURCE_DIR}/include"
      "${PROJECT_SOURCE_DIR}"
    )
    target_link_libraries(redial_internal PUBLIC
      ${REDIAL_ABSL_TARGETS} Boost::context c-ares::cares Threads::Threads
    )
    set_target_properties(redial_internal PROPERTIES LINKER_LANGUAGE CXX)
  endif()
endfunction()
