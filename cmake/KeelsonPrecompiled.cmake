# Precompiled headers: half of the time of a full build. Each is compiled once and shared by the targets that may see what
# is in it: base, base_test, api, api_test (cmake/precompiled/*.hpp).
#
# keelson_precompiled_header(NAME LINKS ...)  compiles it; the links give include paths and generated headers
# keelson_use_precompiled(TARGET NAME)        lets a target use it
#
# With GCC only: clang compiles the fuzzers and reads the same files without.
set(KEELSON_PCH_DEFAULT OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT KEELSON_FUZZ)
  set(KEELSON_PCH_DEFAULT ON)
endif()
option(KEELSON_PCH "Use precompiled headers" ${KEELSON_PCH_DEFAULT})

function(keelson_precompiled_header name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  if(NOT KEELSON_PCH)
    return()
  endif()
  set(target keelson_precompiled_${name})
  add_library(${target} OBJECT ${CMAKE_SOURCE_DIR}/cmake/precompiled/owner.cpp)
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC ${ARG_LINKS})
  target_precompile_headers(${target} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled/${name}.hpp)
endfunction()

function(keelson_use_precompiled target name)
  if(KEELSON_PCH)
    target_precompile_headers(${target} REUSE_FROM keelson_precompiled_${name})
  endif()
endfunction()
