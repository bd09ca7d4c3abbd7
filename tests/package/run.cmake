if(CCACHE)
  set(ENV{CMAKE_CXX_COMPILER_LAUNCHER} "${CCACHE}")
  cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH tests)
  cmake_path(GET tests PARENT_PATH ENV{CCACHE_BASEDIR})
  set(ENV{CCACHE_NOHASHDIR} 1)
  set(ENV{CCACHE_SLOPPINESS} pch_defines,time_macros)
endif()

# run(COMMAND...): runs it, and ends the test with its output where it fails.
function(run)
  execute_process(COMMAND ${ARGV}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output
  )
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "failed (${result}): ${command}\n${output}")
  endif()
  message(STATUS "${output}")
endfunction()

# build_consumer(ARGUMENT...): configures, builds and runs the consumer project.
function(build_consumer)
  file(REMOVE_RECURSE "${SCRATCH}")
  run("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${SCRATCH}" -G "${GENERATOR}"
    "-DCMAKE_BUILD_TYPE=${BUILD_TYPE}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}"
    "-DCMAKE_CXX_FLAGS=${FLAGS}"
    ${ARGV}
  )
  run("${CMAKE_COMMAND}" --build "${SCRATCH}")
  run("${SCRATCH}/consumer")
  file(GLOB programs "${SCRATCH}/consumer_fiber" "${SCRATCH}/consumer_test"
    "${SCRATCH}/consumer_prometheus"
    "${SCRATCH}/consumer_*asio"
  )
  foreach(program IN LISTS programs)
    run("${program}")
  endforeach()
endfunction()
