#include "agent/allocation/resize_events.hpp"

#include "agent/pod_config/go_text.hpp"
#include "api/json_codec.hpp"

namespace keelson::agent {
namespace {

template <class Containers>
std::string list_text(const char* key, const Containers& containers) {
  if (containers.empty()) return "";
  std::string out = "\"" + std::string(key) + "\":[";
  for (const auto& container : containers) {
    if (out.back() != '[') out += ',';
    out += "{\"name\":" + go_json_string(container.name()) +
           ",\"resources\":" + api::encode_json(container.resources(), {.type_meta = false}) + "}";
  }
  return out + "],";
}

std::string text(const std::string& word, const api::Pod& pod, std::int64_t generation, const std::string& error) {
  std::string out = "Pod resize " + word + ": {";
  out += list_text("initContainers", pod.spec().initcontainers());
  out += list_text("containers", pod.spec().containers());
  out += "\"generation\":" + std::to_string(generation);
  if (!error.empty()) out += ",\"error\":" + go_json_string(error);
  return out + "}";
}

}  // namespace

PodEvent resize_started(const api::Pod& pod, std::int64_t generation) {
  return {false, "ResizeStarted", text("started", pod, generation, ""), ""};
}

PodEvent resize_completed(const api::Pod& pod, std::int64_t generation) {
  return {false, "ResizeCompleted", text("completed", pod, generation, ""), ""};
}

PodEvent resize_failed(const api::Pod& pod, std::int64_t generation, const std::string& error) {
  return {true, "ResizeError", text("error", pod, generation, error), ""};
}

PodEvent resize_refused(const api::Pod& pod, std::int64_t generation, const std::string& reason,
                        const std::string& message) {
  const char* name = reason == "Infeasible" ? "ResizeInfeasible" : "ResizeDeferred";
  return {true, name, text(reason, pod, generation, message), ""};
}

}  // namespace keelson::agent
