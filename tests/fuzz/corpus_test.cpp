// Replays the corpora, and a bounded number of mutations of each file, through the fuzz entry points in normal builds.
// Mutations come from a fixed seed: a failure repeats.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

void keelson_fuzz_yaml(std::string_view input);
void keelson_fuzz_json(std::string_view input);
void keelson_fuzz_binary(std::string_view input);
void keelson_fuzz_quantity(std::string_view input);
void keelson_fuzz_config(std::string_view input);
void keelson_fuzz_images(std::string_view input);
void keelson_fuzz_checkpoint(std::string_view input);
void keelson_fuzz_pod_texts(std::string_view input);
void keelson_fuzz_log_lines(std::string_view input);
void keelson_fuzz_http_request(std::string_view input);
void keelson_fuzz_node_api(std::string_view input);

namespace {

using Entry = void (*)(std::string_view);
using Random = std::mt19937;

constexpr int kMutationsPerFile = 40;
constexpr std::size_t kLargestMutated = 4096;

std::vector<std::string> corpus(const std::string& name) {
  std::vector<std::filesystem::path> paths;
  const auto folder = std::filesystem::path(KEELSON_SOURCE_DIR) / "tests/fuzz/corpus" / name;
  for (const auto& file : std::filesystem::directory_iterator(folder)) paths.push_back(file.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> out;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return out;
}

std::string mutate(std::string text, const std::string& other, Random& random) {
  const auto below = [&](std::size_t limit) {
    return static_cast<std::size_t>(random()) % std::max<std::size_t>(limit, 1);
  };
  const std::size_t steps = 1 + below(4);
  for (std::size_t i = 0; i < steps; ++i) {
    const std::size_t at = below(text.size() + 1);
    switch (below(5)) {
      case 0: text.insert(at, 1, static_cast<char>(below(256))); break;
      case 1: text.erase(at, 1 + below(8)); break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 3: text.insert(at, other.substr(below(other.size()), below(32))); break;
      default: text.resize(at); break;
    }
  }
  return text;
}

void replay(const std::string& name, Entry entry) {
  const std::vector<std::string> files = corpus(name);
  ASSERT_FALSE(files.empty());
  Random random(20261120);
  for (const std::string& text : files) {
    entry(text);
    if (text.size() > kLargestMutated) continue;
    for (int i = 0; i < kMutationsPerFile; ++i) entry(mutate(text, files[random() % files.size()], random));
  }
}

TEST(FuzzCorpus, YamlHoldsItsProperties) { replay("yaml", keelson_fuzz_yaml); }
TEST(FuzzCorpus, JsonHoldsItsProperties) { replay("json", keelson_fuzz_json); }
TEST(FuzzCorpus, BinaryHoldsItsProperties) { replay("binary", keelson_fuzz_binary); }
TEST(FuzzCorpus, QuantityHoldsItsProperties) { replay("quantity", keelson_fuzz_quantity); }
TEST(FuzzCorpus, ConfigHoldsItsProperties) { replay("config", keelson_fuzz_config); }
TEST(FuzzCorpus, ImagesHoldTheirProperties) { replay("images", keelson_fuzz_images); }
TEST(FuzzCorpus, CheckpointHoldsItsProperties) { replay("checkpoint", keelson_fuzz_checkpoint); }
TEST(FuzzCorpus, PodTextsHoldTheirProperties) { replay("pod_texts", keelson_fuzz_pod_texts); }
TEST(FuzzCorpus, LogLinesHoldTheirProperties) { replay("log_lines", keelson_fuzz_log_lines); }
TEST(FuzzCorpus, HttpRequestsHoldTheirProperties) { replay("http_request", keelson_fuzz_http_request); }
TEST(FuzzCorpus, NodeApiHoldsItsProperties) { replay("node_api", keelson_fuzz_node_api); }

}  // namespace
