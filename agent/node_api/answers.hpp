// JSON answers as Go writes them, which clients of the kubelet know.
//
// Functions of values, the loop's thread. Source: contract 05 §6; Go, package encoding/json.
#pragma once

#include <string>

#include "agent/server/message.hpp"
#include "base/task.hpp"

namespace keelson::node_api {

server::Response json_answer(std::string json);

// The same JSON as Go's writer puts it, so that it may stand in a web page.
std::string escape_json(std::string json);

// Sends it; that the client has gone is nobody's concern here.
base::Task<void> answer(server::Reply& reply, server::Response response);

}  // namespace keelson::node_api
