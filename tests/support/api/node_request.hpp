// What a request for a pod's log, exec, attach or port-forward becomes at the node, as kube-apiserver words it.
//
// Pure, any thread. What fails is `invalid` with the API server's text, which is the message of a BadRequest.
// Source: the API's options of pods' subresources; contract 05 §8, §9.1 (API server path, query).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace keelson::fakes {

struct NodeRequest {
  std::string ns;  // of the pod; empty: the node's own proxy
  std::string pod;
  std::string node;                                        // of the node's own proxy
  std::string what;                                        // log exec attach portforward proxy
  std::string rest;                                        // of the path, below proxy, with its slash
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  std::string raw_query;
};

// Of a target that is_node_stream() knows (server_proxy.hpp).
NodeRequest parse_node_request(std::string_view target);
// Path and query at the node; `pod` is the pod's JSON.
Result<std::string> node_target(const NodeRequest& request, const nlohmann::json& pod);
// "https://ADDRESS:PORT" of a node's JSON.
Result<std::string> node_url(const nlohmann::json& node);

}  // namespace keelson::fakes
