include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")
build_consumer("-DREDIAL_SOURCE=${REDIAL_SOURCE}")
