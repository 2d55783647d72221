// What nearly every file includes, compiled once. Files still name what they use: tools/check-headers compiles headers
// without this.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/result.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"
