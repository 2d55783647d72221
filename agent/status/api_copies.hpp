// ApiCopies: the newest copy that is known of each pod in the API.
//
// Copies come from the pod informer and from answers to our own requests; of two, the one with the larger resource
// version wins, so that an old event never hides what an answer said. Shares the informer's objects. A plain value;
// owner and thread are its user's. Source: contract 02 §4.2 (a mirror is matched by full name), §15.5.
#pragma once

#include <map>
#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

// Annotation kubernetes.io/config.mirror is there.
bool is_mirror(const api::Pod& pod);
// The hash of the manifest that a static pod, or a mirror, was made from; "" when it has none.
std::string static_hash(const api::Pod& pod);
std::string mirror_hash(const api::Pod& pod);

class ApiCopies {
 public:
  // Whether it was news.
  bool learn(api::PodPtr pod);
  void forget(const std::string& uid);

  api::PodPtr find(const std::string& uid) const;
  // The mirror of that static pod: same full name, same manifest, not being deleted.
  api::PodPtr mirror_of(const api::Pod& static_pod) const;
  // Whatever mirror has that full name.
  api::PodPtr mirror_named(const std::string& full_name) const;
  std::size_t size() const { return pods_.size(); }

 private:
  std::map<std::string, api::PodPtr> pods_;     // by uid
  std::map<std::string, std::string> mirrors_;  // full name -> uid
};

}  // namespace keelson::agent
