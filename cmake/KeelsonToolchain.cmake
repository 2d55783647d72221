# Compiler, linker and the libraries that Debian 12 gives us. Everything here works on Debian 12, 13 and Ubuntu 24.04.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# For programs, too, so that all share the precompiled headers and the compiler cache; once, or the cache takes the shared
# libraries of preset layers for something else.
add_compile_options(-fPIC)
set(CMAKE_CXX_COMPILE_OPTIONS_PIC "")
set(CMAKE_SHARED_LIBRARY_CXX_FLAGS "")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
# Sections of their own let the linker drop what nothing calls; as the code is linked statically, nothing is interposed.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -ffunction-sections -fdata-sections -fno-semantic-interposition")
set(CMAKE_EXE_LINKER_FLAGS_RELEASE "-Wl,--gc-sections -Wl,--as-needed")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1 -D_GLIBCXX_ASSERTIONS")

option(KEELSON_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(KEELSON_FUZZ "Build the libFuzzer targets (needs clang)" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
    ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives inside coroutine frames and <variant>.
  add_compile_options(-Wno-maybe-uninitialized -Wno-mismatched-new-delete)
else()
  add_compile_options(-Wno-unused-private-field)
endif()
add_compile_definitions(
  BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_VISIBILITY
  $<$<CONFIG:Debug>:KEELSON_DEBUG_CHECKS=1>)
if(KEELSON_SANITIZE)
  # As quick to compile as -O0 with half the code, and what runs (thousands of simulated lives) is several times faster.
  string(REPLACE "-O0" "-Og" CMAKE_CXX_FLAGS_DEBUG "${CMAKE_CXX_FLAGS_DEBUG}")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  # What AddressSanitizer or the processor would stop at, too; these checks cost a quarter of the build's time.
  add_compile_options(
    -fno-sanitize=null,alignment,vptr,object-size,pointer-overflow,nonnull-attribute,returns-nonnull-attribute)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A tenth of the time went to collecting garbage of a compiler that ends soon anyway (KiB).
    add_compile_options(--param=ggc-min-heapsize=524288)
  endif()
  add_link_options(-fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Its function-type check cannot be compiled into coroutines by clang 14.
    add_compile_options(-fno-sanitize=function)
  endif()
endif()
# Code that a generator wrote: nobody mends its warnings, and its library has sanitized tests of its own.
set(KEELSON_GENERATED_OPTIONS -w)
if(KEELSON_SANITIZE)
  list(APPEND KEELSON_GENERATED_OPTIONS -fno-sanitize=all)
endif()
if(KEELSON_FUZZ)
  # The libraries under the fuzz targets must be instrumented, too, or libFuzzer sees no coverage.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(BUILD_SHARED_LIBS)
  add_link_options(-Wl,-z,defs)
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Protobuf REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(GTest REQUIRED)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
# It says -DNOMINMAX, which means something on Windows only, and which the precompiled headers were not made with.
set_property(TARGET PkgConfig::GRPCPP PROPERTY INTERFACE_COMPILE_OPTIONS)
set_property(TARGET PkgConfig::GRPCPP PROPERTY INTERFACE_COMPILE_DEFINITIONS)
find_package(ZLIB REQUIRED)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
