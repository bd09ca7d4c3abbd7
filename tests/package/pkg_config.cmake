include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")
set(ENV{PKG_CONFIG_PATH} "${REDIAL_PREFIX}/${LIBDIR}/pkgconfig")
execute_process(COMMAND pkg-config --cflags --libs redial
  OUTPUT_VARIABLE options OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY
)
separate_arguments(options UNIX_COMMAND "${options}")
separate_arguments(FLAGS UNIX_COMMAND "${FLAGS}")
file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")
run("${COMPILER}" -std=c++20 ${FLAGS} "${CONSUMER}/main.cc" -o "${SCRATCH}/consumer" ${options}
  "-Wl,-rpath,${REDIAL_PREFIX}/${LIBDIR}"
)
run("${SCRATCH}/consumer")
