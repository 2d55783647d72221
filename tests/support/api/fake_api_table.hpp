// Tables: what `kubectl get` prints, made by the server.
//
// Pure; any thread. Pods, nodes and events have the columns of the real server; other kinds NAME and AGE. Source: the
// API's meta.k8s.io/v1 Table.
#pragma once

#include <string>
#include <vector>

#include "tests/support/api/fake_api_store.hpp"
#include "tests/support/api/fake_api_wire.hpp"

namespace keelson::fakes {

// JSON text of a Table with one row per object.
std::string table_json(const ApiKind& kind, const std::vector<ObjectPtr>& items, const ListMeta& meta,
                       const std::string& include_object, bool with_columns, base::SystemTime now);
// "5m", "2d3h": an age as kubectl writes it.
std::string short_duration(std::int64_t seconds);

}  // namespace keelson::fakes
