// keelson_config_docs [FILE]: writes docs/configuration.md, to FILE or to the standard output.
#include <cstdio>

#include "base/file.hpp"
#include "config/docs.hpp"

int main(int argc, char** argv) {
  const std::string text = keelson::config::configuration_markdown();
  if (argc < 2) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto written = keelson::base::write_file_atomically(argv[1], text, 0644);
  if (!written.ok()) {
    std::fprintf(stderr, "keelson_config_docs: %s\n", written.error().to_string().c_str());
    return 1;
  }
  return 0;
}
