// From what modules count (base/counters.hpp) to families of a Page, for collectors.
//
// Functions of values, the loop's thread. Nothing fails.
#pragma once

#include <array>
#include <string>

#include "agent/metrics/page.hpp"
#include "base/counters.hpp"

namespace keelson::metrics {

// Most of the agent's families are ALPHA.
inline Family& counter(Page& page, const std::string& name, std::string_view help) {
  return page.family(name, Type::counter, Stability::alpha, help);
}
inline Family& gauge(Page& page, const std::string& name, std::string_view help) {
  return page.family(name, Type::gauge, Stability::alpha, help);
}
inline Family& histogram(Page& page, const std::string& name, std::string_view help) {
  return page.family(name, Type::histogram, Stability::alpha, help);
}

template <class T>
void add(Family& family, T value) {
  family.add({}, static_cast<double>(value));
}
// Of any type with bounds, buckets, sum and count.
template <class Histogram>
void add_histogram(Family& family, Labels labels, const Histogram& histogram) {
  family.add_histogram(std::move(labels), histogram.bounds, histogram.buckets, histogram.sum, histogram.count);
}

template <std::size_t N>
Labels labels_of(const std::array<const char*, N>& names, const std::array<std::string, N>& values) {
  Labels out;
  out.reserve(N);
  for (std::size_t i = 0; i < N; ++i) out.emplace_back(names[i], values[i]);
  return out;
}

template <std::size_t N>
void add_counts(Family& family, const std::array<const char*, N>& names, const base::CountsBy<N>& counts) {
  for (const auto& [values, count] : counts) family.add(labels_of(names, values), static_cast<double>(count));
}
template <std::size_t N, const auto& kBounds>
void add_histograms(Family& family, const std::array<const char*, N>& names,
                    const base::ByLabels<N, base::Histogram<kBounds>>& histograms) {
  for (const auto& [values, one] : histograms) add_histogram(family, labels_of(names, values), one);
}

}  // namespace keelson::metrics
