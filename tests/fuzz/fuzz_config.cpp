// The configuration loader: the main file, then, each after a line "%%", a drop-in and arguments, one a line.
// Whatever comes in there is an outcome; a refusal says why, each problem is one line, and what runs can be shown.
#include <string>
#include <variant>
#include <vector>

#include "config/credential_providers.hpp"
#include "config/dump.hpp"
#include "config/load.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson;

class OneOfEach final : public config::Files {
 public:
  std::string main_file;
  std::string drop_in;

  Result<std::string> read(const std::string& path) const override { return path == "/d/a.conf" ? drop_in : main_file; }
  Result<std::vector<Entry>> list(const std::string&) const override {
    return std::vector<Entry>{{"a.conf", false}, {"other", false}};
  }
  bool is_directory(const std::string&) const override { return false; }
  std::string working_directory() const override { return "/"; }
};

std::string next_part(std::string_view& rest, std::string_view separator) {
  const auto at = rest.find(separator);
  std::string part(rest.substr(0, at));
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + separator.size());
  return part;
}

void check_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) KEELSON_CHECK(!line.empty() && line.find('\n') == std::string::npos);
}

}  // namespace

KEELSON_FUZZ_ENTRY(keelson_fuzz_config) {
  std::string_view rest = input;
  OneOfEach files;
  files.main_file = next_part(rest, "\n%%\n");
  files.drop_in = next_part(rest, "\n%%\n");
  std::vector<std::string> args = {"--config=/k.yaml", "--kubeconfig=/k"};
  if (!files.drop_in.empty()) args.push_back("--config-dir=/d");
  while (!rest.empty() && args.size() < 50) args.push_back(next_part(rest, "\n"));

  const config::Outcome outcome = config::load(args, files);
  if (const auto* refuse = std::get_if<config::Refuse>(&outcome)) {
    KEELSON_CHECK(!refuse->errors.empty());
    check_lines(refuse->errors);
    check_lines(refuse->warnings);
  } else if (const auto* run = std::get_if<config::Run>(&outcome)) {
    check_lines(run->warnings);
    KEELSON_CHECK(!config::configz(run->configuration.kubelet).dump().empty());
  }
  std::vector<std::string> errors;
  config::load_credential_providers("/p.yaml", files, errors);
}
