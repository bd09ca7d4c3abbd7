# With REDIAL_PRECOMPILE, the headers that most sources include are compiled once, which halves the
# time that a build takes. A source that forgets an include compiles all the same; of the library's
# own, `./dev lint` finds it, which goes without.

# What ccache asks for (see "Precompiled headers" in its manual); and g++ forgets there which headers
# are the system's, so that it shows what it wrongly suspects of std::string (GCC bug 105651).
set(REDIAL_PRECOMPILE_OPTIONS
  "$<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess;-Wno-array-bounds;-Wno-restrict>"
  "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>"
)

# redial_precompiled_headers(NAME HEADER): an object library, to be set up as those are that use it.
function(redial_precompiled_headers name header)
  set(source "${PROJECT_BINARY_DIR}/${name}.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "")
  add_library(${name} OBJECT "${source}")
  target_compile_options(${name} PRIVATE ${REDIAL_PRECOMPILE_OPTIONS})
  target_precompile_headers(${name} PRIVATE "${header}")
endfunction()

# redial_use_precompiled(TARGET NAME): where there are such headers.
function(redial_use_precompiled target name)
  if(TARGET ${name})
    target_compile_options(${target} PRIVATE ${REDIAL_PRECOMPILE_OPTIONS})
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()
