// Numbers as the text format of metrics writes them: what Go's strconv.FormatFloat(value, 'g', -1, 64) gives.
//
// Pure, any thread. Source: contract 05 §11.
#pragma once

#include <string>

namespace keelson::metrics {

// As few digits as give the value back; with an exponent from 1e6 up and below 1e-4; +Inf, -Inf, NaN.
void append_number(std::string& out, double value);

}  // namespace keelson::metrics
