// Stop signals: lifecycle.stopSignal as the CRI's Signal number and back. Only with gate ContainerStopSignals.
//
// Pure functions, any thread. The CRI counts its signals itself; the numbers are not Linux's. Source: contract 02a §2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/objects.hpp"

namespace keelson::agent {

// "SIGTERM" -> 23, "SIGRTMIN+1" -> 36; 0 (the runtime's default) for none and for a name that is not known.
std::int32_t stop_signal_number(std::string_view name);
// The same the other way; "" for 0 and for a number that is not known.
std::string stop_signal_name(std::int32_t number);
std::int32_t stop_signal_of(const api::core::Container& container);

}  // namespace keelson::agent
