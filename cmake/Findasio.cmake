# Finds standalone Asio and defines asio::asio. Debian's libasio-dev has no CMake package; where
# another packager's is installed, that one is used. redial installs this file beside its package
# configuration, for the component `asio`.

if(TARGET asio::asio)
  set(asio_FOUND TRUE)
  return()
endif()

find_package(asio CONFIG QUIET)
if(TARGET asio::asio)
  set(asio_FOUND TRUE)
  return()
endif()

find_path(ASIO_INCLUDE_DIR asio/version.hpp)
mark_as_advanced(ASIO_INCLUDE_DIR)
if(ASIO_INCLUDE_DIR)
  file(STRINGS "${ASIO_INCLUDE_DIR}/asio/version.hpp" ASIO_VERSION_LINE
    REGEX "^#define ASIO_VERSION [0-9]+"
  )
  string(REGEX MATCH "[0-9]+" ASIO_VERSION_NUMBER "${ASIO_VERSION_LINE}")
  math(EXPR ASIO_VERSION_MAJOR "${ASIO_VERSION_NUMBER} / 100000")
  math(EXPR ASIO_VERSION_MINOR "${ASIO_VERSION_NUMBER} / 100 % 1000")
  math(EXPR ASIO_VERSION_PATCH "${ASIO_VERSION_NUMBER} % 100")
  set(ASIO_VERSION "${ASIO_VERSION_MAJOR}.${ASIO_VERSION_MINOR}.${ASIO_VERSION_PATCH}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(asio
  REQUIRED_VARS ASIO_INCLUDE_DIR
  VERSION_VAR ASIO_VERSION
)
if(asio_FOUND)
  find_package(Threads REQUIRED)
  add_library(asio::asio INTERFACE IMPORTED)
  set_target_properties(asio::asio PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${ASIO_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES Threads::Threads
  )
endif()
