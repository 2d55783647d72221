# keelson_module(NAME folder-name [LINKS ...] [SOURCES ...])
#   One static library keelson_<name> from the folder's *.cpp (main.cpp and tests/ left out) and, when tests/*.cpp exist,
#   one test program keelson_<name>_tests. `-` in a folder name becomes `_`.
# keelson_proto(NAME target FILES a.proto ... [LINKS ...])
#   A library of generated messages; includes are written from the repository root ("api/proto/core_v1.pb.h").
# keelson_proto_services(NAME target FILES a.proto ... LINKS messages)
#   The gRPC services of files whose messages are in another library already: for servers in tests.
include(GoogleTest)

# All tests labelled integration, for builds that need no others.
add_custom_target(keelson_integration)

function(keelson_module name)
  cmake_parse_arguments(ARG "" "" "LINKS;SOURCES;TEST_LINKS" ${ARGN})
  string(REPLACE "-" "_" target "keelson_${name}")
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS *.cpp)
    list(FILTER ARG_SOURCES EXCLUDE REGEX "/main\\.cpp$")
  endif()
  add_library(${target} ${ARG_SOURCES})
  # No -D<target>_EXPORTS: the shared libraries of preset layers then come from the compiler cache.
  set_target_properties(${target} PROPERTIES DEFINE_SYMBOL "")
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC ${ARG_LINKS})
  set(precompiled base)
  if(name STREQUAL "api" OR "keelson_api" IN_LIST ARG_LINKS)
    set(precompiled api)
  endif()
  keelson_use_precompiled(${target} ${precompiled})
  file(GLOB tests CONFIGURE_DEPENDS tests/*.cpp)
  if(tests)
    keelson_test(${target}_tests SOURCES ${tests} LINKS ${target} ${ARG_TEST_LINKS} PRECOMPILED ${precompiled})
  endif()
endfunction()

function(keelson_test target)
  cmake_parse_arguments(ARG "" "TIMEOUT;PRECOMPILED" "SOURCES;LINKS;LABELS" ${ARGN})
  # It only ends what hangs: with sanitizers, on a busy machine, all takes ten times as long.
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 900)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE ${ARG_LINKS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${target} PRIVATE KEELSON_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED api)
  endif()
  keelson_use_precompiled(${target} ${ARG_PRECOMPILED}_test)
  add_test(NAME ${target} COMMAND ${target})
  if("integration" IN_LIST ARG_LABELS)
    add_dependencies(keelson_integration ${target})
  endif()
  set_tests_properties(${target} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

function(keelson_proto target)
  cmake_parse_arguments(ARG "" "" "FILES;LINKS" ${ARGN})
  set(generated)
  set(gen ${CMAKE_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${gen})
  foreach(proto ${ARG_FILES})
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${proto})
    string(REGEX REPLACE "\\.proto$" "" stem ${relative})
    set(outputs ${gen}/${stem}.pb.cc ${gen}/${stem}.pb.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc --proto_path=${CMAKE_SOURCE_DIR} --cpp_out=${gen} ${relative}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto})
    list(APPEND generated ${outputs})
  endforeach()
  add_library(${target} ${generated})
  set_target_properties(${target} PROPERTIES DEFINE_SYMBOL "")
  target_include_directories(${target} SYSTEM PUBLIC ${gen})
  target_compile_options(${target} PRIVATE ${KEELSON_GENERATED_OPTIONS})
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf ${ARG_LINKS})
endfunction()

function(keelson_proto_services target)
  cmake_parse_arguments(ARG "" "" "FILES;LINKS" ${ARGN})
  set(gen ${CMAKE_BINARY_DIR}/gen)
  set(generated)
  foreach(proto ${ARG_FILES})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(outputs ${gen}/${stem}.grpc.pb.cc ${gen}/${stem}.grpc.pb.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc --proto_path=${CMAKE_SOURCE_DIR} --grpc_out=${gen}
              --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${proto}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      DEPENDS ${CMAKE_SOURCE_DIR}/${proto})
    list(APPEND generated ${outputs})
  endforeach()
  add_library(${target} ${generated})
  set_target_properties(${target} PROPERTIES DEFINE_SYMBOL "")
  target_compile_options(${target} PRIVATE ${KEELSON_GENERATED_OPTIONS})
  target_link_libraries(${target} PUBLIC ${ARG_LINKS} PkgConfig::GRPCPP)
endfunction()
