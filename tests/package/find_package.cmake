include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")
build_consumer("-DCMAKE_PREFIX_PATH=${REDIAL_PREFIX}")
