# Install rules: libraries, headers, a CMake package and .pc files. The result can be moved to
# another directory as a whole.

include(CMakePackageConfigHelpers)
set(REDIAL_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/redial")

# An export of its own for each component, so that nobody needs the libraries of another.
set(REDIAL_COMPONENTS fiber testing)
if(REDIAL_ASIO)
  list(APPEND REDIAL_COMPONENTS asio boost_asio)
endif()
install(TARGETS redial EXPORT redialTargets)
install(EXPORT redialTargets NAMESPACE redial:: DESTINATION "${REDIAL_CMAKE_DIR}")
if(TARGET redial_prometheus)
  list(APPEND REDIAL_COMPONENTS prometheus)
endif()
foreach(component IN LISTS REDIAL_COMPONENTS)
  install(TARGETS redial_${component} EXPORT redial_${component}Targets)
  install(EXPORT redial_${component}Targets NAMESPACE redial:: DESTINATION "${REDIAL_CMAKE_DIR}")
endforeach()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/redial" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h"
)

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

# The .pc files find their prefix from where they lie. A static archive names what it needs openly,
# so that `pkg-config --libs redial` links without --static; Debian's Boost has no .pc files.
cmake_path(SET from_pc "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${from_pc}"
  OUTPUT_VARIABLE REDIAL_PC_TO_PREFIX
)
list(TRANSFORM REDIAL_ABSL_LIBRARIES PREPEND "absl_" OUTPUT_VARIABLE REDIAL_PC_REQUIRES)
if(BUILD_SHARED_LIBS)
  set(REDIAL_PC_REQUIRES_PRIVATE "libcares")
  set(REDIAL_PC_FIBER_LIBS_PRIVATE "-lboost_context")
else()
  list(APPEND REDIAL_PC_REQUIRES "libcares")
  set(REDIAL_PC_FIBER_LIBS " -lboost_context")
endif()
list(JOIN REDIAL_PC_REQUIRES ", " REDIAL_PC_REQUIRES)
foreach(name IN ITEMS redial redial-fiber)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc"
    @ONLY
  )
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
