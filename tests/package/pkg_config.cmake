include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")
set(ENV{PKG_CONFIG_PATH} "${REDIAL_PREFIX}/${LIBDIR}/pkgconfig")
separate_arguments(FLAGS UNIX_COMMAND "${FLAGS}")
file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")

function(build_with package source)
  execute_process(COMMAND pkg-config --cflags --libs ${package}
    OUTPUT_VARIABLE options OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY
  )
  separate_arguments(options UNIX_COMMAND "${options}")
  set(program "${SCRATCH}/${package}")
  run("${COMPILER}" -std=c++20 ${FLAGS} "${CONSUMER}/${source}" -o "${program}" ${options}
    "-Wl,-rpath,${REDIAL_PREFIX}/${LIBDIR}"
  )
  run("${program}")
endfunction()
build_with(redial main.cc)
build_with(redial-fiber fiber.cc)
