include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")
build_consumer("-DCMAKE_PREFIX_PATH=${REDIAL_PREFIX}")

# Nobody who doesn't ask for fibers needs what they need.
build_consumer("-DCMAKE_PREFIX_PATH=${REDIAL_PREFIX}" -DWITHOUT_BOOST=ON)
