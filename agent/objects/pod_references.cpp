#include "agent/objects/pod_references.hpp"

#include <map>
#include <utility>

namespace keelson::agent {
namespace {

class References {
 public:
  void add(ObjectKind kind, const std::string& name, bool in_volume) {
    if (name.empty()) return;
    bool& volume = found_[{kind, name}];
    volume = volume || in_volume;
  }
  std::vector<PodReference> list() const {
    std::vector<PodReference> out;
    for (const auto& [key, in_volume] : found_) out.push_back({key.first, key.second, in_volume});
    return out;
  }

 private:
  std::map<std::pair<ObjectKind, std::string>, bool> found_;
};

// Of a container or of what an ephemeral one has in common with it.
template <class Container>
void add_environment(References& references, const Container& container) {
  for (const auto& source : container.envfrom()) {
    references.add(ObjectKind::config_map, source.configmapref().localobjectreference().name(), false);
    references.add(ObjectKind::secret, source.secretref().localobjectreference().name(), false);
  }
  for (const auto& env : container.env()) {
    const auto& from = env.valuefrom();
    references.add(ObjectKind::config_map, from.configmapkeyref().localobjectreference().name(), false);
    references.add(ObjectKind::secret, from.secretkeyref().localobjectreference().name(), false);
  }
}

void add_volume(References& references, const api::core::VolumeSource& source) {
  references.add(ObjectKind::config_map, source.configmap().localobjectreference().name(), true);
  for (const std::string* secret :
       {&source.secret().secretname(), &source.azurefile().secretname(), &source.cephfs().secretref().name(),
        &source.cinder().secretref().name(), &source.flexvolume().secretref().name(), &source.rbd().secretref().name(),
        &source.scaleio().secretref().name(), &source.iscsi().secretref().name(),
        &source.storageos().secretref().name(), &source.csi().nodepublishsecretref().name()}) {
    references.add(ObjectKind::secret, *secret, true);
  }
  for (const auto& projection : source.projected().sources()) {
    references.add(ObjectKind::config_map, projection.configmap().localobjectreference().name(), true);
    references.add(ObjectKind::secret, projection.secret().localobjectreference().name(), true);
  }
}

}  // namespace

std::string_view to_string(ObjectKind kind) { return kind == ObjectKind::config_map ? "configmap" : "secret"; }

std::vector<PodReference> pod_references(const api::Pod& pod) {
  References references;
  for (const auto& secret : pod.spec().imagepullsecrets()) references.add(ObjectKind::secret, secret.name(), false);
  for (const auto& container : pod.spec().initcontainers()) add_environment(references, container);
  for (const auto& container : pod.spec().containers()) add_environment(references, container);
  for (const auto& container : pod.spec().ephemeralcontainers()) {
    add_environment(references, container.ephemeralcontainercommon());
  }
  for (const auto& volume : pod.spec().volumes()) add_volume(references, volume.volumesource());
  return references.list();
}

std::vector<PodReference> environment_references(const api::core::Container& container) {
  References references;
  add_environment(references, container);
  return references.list();
}

}  // namespace keelson::agent
