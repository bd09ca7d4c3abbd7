# The adapters for standalone Asio and Boost.Asio, headers alone: redial::asio and
# redial::boost_asio. Offered where the library is found, and always installed: whoever uses an
# installed component brings the library along.

find_package(asio 1.22 QUIET)
find_package(Boost 1.74 QUIET)

# redial_add_adapter(NAME LIBRARY)
function(redial_add_adapter name library)
  add_library(redial_${name} INTERFACE)
  target_link_libraries(redial_${name} INTERFACE redial ${library})
  set_target_properties(redial_${name} PROPERTIES EXPORT_NAME ${name})
  if(TARGET ${library})
    add_library(redial::${name} ALIAS redial_${name})
  else()
    message(STATUS "redial::${name} isn't offered here: there is no ${library}")
  endif()
endfunction()

redial_add_adapter(asio asio::asio)
redial_add_adapter(boost_asio Boost::headers)
if(TARGET redial::boost_asio)
  target_link_libraries(redial_boost_asio INTERFACE Threads::Threads)
endif()
