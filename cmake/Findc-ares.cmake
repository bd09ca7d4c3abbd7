# Finds c-ares and defines c-ares::cares. Debian's libc-ares-dev has no CMake package, only a .pc
# file; where upstream's own package is installed, that one is used. redial installs this file
# beside its package configuration, since a static redial needs c-ares at link time.

if(TARGET c-ares::cares)
  set(c-ares_FOUND TRUE)
  return()
endif()

find_package(c-ares CONFIG QUIET)
if(TARGET c-ares::cares)
  set(c-ares_FOUND TRUE)
  return()
endif()

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_CARES QUIET libcares)
endif()
find_path(CARES_INCLUDE_DIR ares.h HINTS ${PC_CARES_INCLUDE_DIRS})
find_library(CARES_LIBRARY NAMES cares HINTS ${PC_CARES_LIBRARY_DIRS})
mark_as_advanced(CARES_INCLUDE_DIR CARES_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(c-ares
  REQUIRED_VARS CARES_LIBRARY CARES_INCLUDE_DIR
  VERSION_VAR PC_CARES_VERSION
)
if(c-ares_FOUND)
  add_library(c-ares::cares UNKNOWN IMPORTED)
  set_target_properties(c-ares::cares PROPERTIES
    IMPORTED_LOCATION "${CARES_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CARES_INCLUDE_DIR}"
  )
endif()
