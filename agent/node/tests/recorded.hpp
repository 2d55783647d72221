// The node of the recordings (tests/golden/data): its machine, its configuration, and the requests of its agent.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/node/node_status.hpp"

namespace keelson::agent::testing {

using nlohmann::json;

// data/PATH, parsed; a missing file fails the test run.
json recorded_json(const std::string& path);
// The requests of requests/start.jsonl with this verb whose URI begins so, in order.
std::vector<json> recorded_requests(const std::string& verb, const std::string& uri);

Machine recorded_machine();
std::uint64_t recorded_root_bytes();
config::Configuration recorded_configuration();
NodeSettings recorded_settings();
// The runtime, the images and the addresses of that machine; Ready but for the causes.
StatusInputs recorded_inputs();

api::core::Node node_from(const json& object);
json to_json_of(const google::protobuf::Message& message);
base::SystemTime time_of(const std::string& rfc3339);

}  // namespace keelson::agent::testing
