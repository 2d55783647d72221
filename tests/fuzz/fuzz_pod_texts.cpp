// Texts that pods and nodes bring: a file of variables, resolv.conf, references to variables in a command.
#include <string>

#include "agent/pod_config/dns.hpp"
#include "agent/pod_config/env_file.hpp"
#include "agent/pod_config/expansion.hpp"
#include "tests/fuzz/fuzz.hpp"

KEELSON_FUZZ_ENTRY(keelson_fuzz_pod_texts) {
  using namespace keelson::agent;
  for (const char* key : {"A", "KEY", ""}) (void)find_in_env_file(input, key);
  if (const auto dns = parse_resolv_conf(input); dns.ok()) {
    for (const auto* words : {&dns->servers, &dns->searches, &dns->options}) {
      for (const std::string& word : *words) KEELSON_CHECK(word.find_first_of(" \t\r\n") == std::string::npos);
    }
  }
  const auto itself = [](std::string_view name) -> std::optional<std::string> {
    return "$(" + std::string(name) + ")";
  };
  const auto unknown = [](std::string_view) -> std::optional<std::string> { return std::nullopt; };
  const std::string expanded = expand(input, unknown);
  // A name that is not known stays as it was, and nothing but `$$` becomes shorter.
  KEELSON_CHECK(expanded == expand(input, itself));
  KEELSON_CHECK(expanded.size() <= input.size());
  KEELSON_CHECK(input.find('$') != std::string_view::npos || expanded == input);
}
