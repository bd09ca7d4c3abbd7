# Install rules: libraries, headers, a CMake package and redial.pc. The result can be moved to
# another directory as a whole.

include(CMakePackageConfigHelpers)
set(REDIAL_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/redial")

install(TARGETS redial redial_fiber redial_testing EXPORT redialTargets)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/redial" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h"
)
if(REDIAL_ASIO)
  foreach(component IN ITEMS asio boost_asio)
    install(TARGETS redial_${component} EXPORT redial_${component}Targets)
    install(EXPORT redial_${component}Targets NAMESPACE redial:: DESTINATION "${REDIAL_CMAKE_DIR}")
  endforeach()
endif()
install(EXPORT redialTargets NAMESPACE redial:: DESTINATION "${REDIAL_CMAKE_DIR}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/redialConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/redialConfig.cmake"
  INSTALL_DESTINATION "${REDIAL_CMAKE_DIR}"
)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/redialConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion
)
install(
  FILES
    "${PROJECT_BINARY_DIR}/redialConfig.cmake"
    "${PROJECT_BINARY_DIR}/redialConfigVersion.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/Findasio.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/Findc-ares.cmake"
  DESTINATION "${REDIAL_CMAKE_DIR}"
)

# redial.pc finds its prefix from where it lies. A static archive names c-ares openly, so that
# `pkg-config --libs redial` links without --static.
cmake_path(SET from_pc "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${from_pc}"
  OUTPUT_VARIABLE REDIAL_PC_TO_PREFIX
)
list(TRANSFORM REDIAL_ABSL_LIBRARIES PREPEND "absl_" OUTPUT_VARIABLE REDIAL_PC_REQUIRES)
if(BUILD_SHARED_LIBS)
  set(REDIAL_PC_REQUIRES_PRIVATE "libcares")
else()
  list(APPEND REDIAL_PC_REQUIRES "libcares")
endif()
list(JOIN REDIAL_PC_REQUIRES ", " REDIAL_PC_REQUIRES)
configure_file("${PROJECT_SOURCE_DIR}/cmake/redial.pc.in" "${PROJECT_BINARY_DIR}/redial.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/redial.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
