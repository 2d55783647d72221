#include "tests/sim/world.hpp"

#include <cstdio>

#include "static-pods/manifest.hpp"

namespace keelson::sim {

World::World(std::uint64_t seed) : random(seed) {
  api.enforce_node_limits(true);
  api.keep_log(false);
  cri.has_events = true;
  disk.node_volumes.tell = [this](const std::string& text) { story.tell("volumes", text); };
  disk.claims.tell = [this](const std::string& text) { story.tell("claims", text); };
  disk.claims.old_controller = random() % 5 == 0;
  cri.runtime_status.handlers.front().user_namespaces = true;
}

void World::end_trouble(const std::string& cause) {
  if (troubles_.erase(cause) > 0) trouble_until(timeline.now());
}

base::SteadyTime World::calm_since() const { return troubles_.empty() ? trouble_until_ : base::SteadyTime::max(); }

void World::set_api_down(bool down) {
  api_down_ = down;
  down ? begin_trouble("api") : end_trouble("api");
  for (fakes::FakeApiTransport* way : ways_) way->set_down(down);
}

void World::add_way(fakes::FakeApiTransport* way) {
  ways_.insert(way);
  way->set_down(api_down_);
}

void World::put_manifest(const std::string& name, const std::string& json) {
  const static_pods::Origin origin{static_pods::Origin::Kind::file, "/etc/kubernetes/manifests/" + name, kNode};
  static_pods::Manifest read = static_pods::read_manifest(json, origin);
  if (!read.errors.empty()) std::fprintf(stderr, "%s: %s\n", name.c_str(), static_pods::join(read.errors).c_str());
  KEELSON_CHECK(read.errors.empty() && read.pods.size() == 1 && "a manifest of the simulation is wrong");
  manifest_files[name] = std::move(read.pods.front());
}

void World::remove_manifest(const std::string& name) { manifest_files.erase(name); }

std::vector<api::Pod> World::manifests() const {
  std::vector<api::Pod> out;
  for (const auto& [name, pod] : manifest_files) out.push_back(pod);
  return out;
}

}  // namespace keelson::sim
