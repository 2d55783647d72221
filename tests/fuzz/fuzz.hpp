// What every fuzz entry point shares.
//
// An entry point is a plain function, so that the corpus test can link all of them; under libFuzzer the macro adds the
// name that libFuzzer calls. A broken property aborts, in every build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

#ifdef KEELSON_LIBFUZZER
#define KEELSON_FUZZ_ENTRY(name)                                                      \
  void name(std::string_view input);                                                  \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    name(std::string_view(reinterpret_cast<const char*>(data), size));                \
    return 0;                                                                         \
  }                                                                                   \
  void name(std::string_view input)
#else
#define KEELSON_FUZZ_ENTRY(name)     \
  void name(std::string_view input); \
  void name(std::string_view input)
#endif
