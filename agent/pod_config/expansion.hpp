// Expansion of $(NAME) references in commands, arguments and variables.
//
// `$(NAME)` becomes the value, unknown names stay as they are, `$$` becomes `$`, an unclosed `$(` stays.
// Pure functions, any thread. Source: contract 02 §3.3.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// The value of a name; nothing = unknown.
using VariableLookup = std::function<std::optional<std::string>(std::string_view name)>;

std::string expand(std::string_view text, const VariableLookup& lookup);
std::string expand(std::string_view text, const std::vector<cri::KeyValue>& envs);
// Every word of a command.
std::vector<std::string> expand_all(const google::protobuf::RepeatedPtrField<std::string>& words,
                                    const std::vector<cri::KeyValue>& envs);
// Commands of exec probes know the literal `value`s of the container's own variables; one with `valueFrom` is empty.
std::vector<std::string> expand_probe_command(const google::protobuf::RepeatedPtrField<std::string>& words,
                                              const api::core::Container& container);
// subPathExpr: a missing or empty variable is an error.
Result<std::string> expand_strictly(std::string_view text, const std::vector<cri::KeyValue>& envs);

}  // namespace keelson::agent
