#include "agent/metrics/page.hpp"

#include <algorithm>

#include "agent/metrics/number.hpp"
#include "base/result.hpp"

namespace keelson::metrics {
namespace {

std::string_view word(Type type) {
  switch (type) {
    case Type::counter: return "counter";
    case Type::gauge: return "gauge";
    case Type::histogram: break;
  }
  return "histogram";
}

// A backslash before what would end the text, or the line.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

// `a="1",b="2"`
std::string label_text(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    append_escaped(out, value, true);
    out += '"';
  }
  return out;
}

class TextWriter {
 public:
  std::string take() { return std::move(out_); }

  void write(const std::string& name, const Family& family) {
    if (family.samples().empty()) return;
    out_ += "# HELP " + name + ' ';
    append_escaped(out_, full_help(family), false);
    out_ += "\n# TYPE " + name + ' ';
    out_ += word(family.type());
    out_ += '\n';
    if (family.type() == Type::histogram) {
      write_histograms(name, family);
      return;
    }
    for (const Sample* sample : in_order(family)) {
      write_line(name, "", label_text(sample->labels), sample->value, sample->milliseconds);
    }
  }

 private:
  void write_histograms(const std::string& name, const Family& family) {
    std::vector<std::string> limits;
    for (const double bound : family.bounds()) {
      std::string limit = "le=\"";
      append_number(limit, bound);
      limits.push_back(limit + '"');
    }
    limits.emplace_back("le=\"+Inf\"");
    for (const Sample* sample : in_order(family)) {
      const std::string labels = label_text(sample->labels);
      const std::string before = labels.empty() ? "" : labels + ',';
      for (std::size_t i = 0; i < limits.size(); ++i) {
        write_line(name, "_bucket", before + limits[i], static_cast<double>(sample->cumulative[i]),
                   sample->milliseconds);
      }
      write_line(name, "_sum", labels, sample->value, sample->milliseconds);
      write_line(name, "_count", labels, static_cast<double>(sample->cumulative.back()), sample->milliseconds);
    }
  }

  void write_line(const std::string& name, std::string_view suffix, const std::string& labels, double value,
                  const std::optional<std::int64_t>& milliseconds) {
    out_ += name;
    out_ += suffix;
    if (!labels.empty()) {
      out_ += '{';
      out_ += labels;
      out_ += '}';
    }
    out_ += ' ';
    append_number(out_, value);
    if (milliseconds) out_ += ' ' + std::to_string(*milliseconds);
    out_ += '\n';
  }

  std::string out_;
};

}  // namespace

std::string full_help(const Family& family) {
  switch (family.stability()) {
    case Stability::none: break;
    case Stability::internal: return "[INTERNAL] " + family.help();
    case Stability::alpha: return "[ALPHA] " + family.help();
    case Stability::beta: return "[BETA] " + family.help();
    case Stability::stable: return "[STABLE] " + family.help();
  }
  return family.help();
}

// As Prometheus' own libraries order them: the number of labels, their values in the order of the names, the time.
std::vector<const Sample*> in_order(const Family& family) {
  std::vector<const Sample*> out;
  out.reserve(family.samples().size());
  for (const Sample& sample : family.samples()) out.push_back(&sample);
  std::stable_sort(out.begin(), out.end(), [](const Sample* a, const Sample* b) {
    if (a->labels.size() != b->labels.size()) return a->labels.size() < b->labels.size();
    for (std::size_t i = 0; i < a->labels.size(); ++i) {
      if (const int order = a->labels[i].second.compare(b->labels[i].second); order != 0) return order < 0;
    }
    // What has no time is of now, and so the last.
    if (!a->milliseconds || !b->milliseconds) return a->milliseconds.has_value() && !b->milliseconds.has_value();
    return *a->milliseconds < *b->milliseconds;
  });
  return out;
}

void Family::add(Labels labels, double value, std::optional<std::int64_t> milliseconds) {
  KEELSON_CHECK(type_ != Type::histogram);
  std::sort(labels.begin(), labels.end());
  samples_.push_back({std::move(labels), value, milliseconds, {}});
}

void Family::add_histogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts,
                           double sum, std::uint64_t count) {
  KEELSON_CHECK(type_ == Type::histogram && counts.size() >= bounds.size());
  if (samples_.empty()) bounds_.assign(bounds.begin(), bounds.end());
  KEELSON_CHECK(std::equal(bounds.begin(), bounds.end(), bounds_.begin(), bounds_.end()));
  std::sort(labels.begin(), labels.end());
  std::vector<std::uint64_t> cumulative;
  cumulative.reserve(bounds.size() + 1);
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) cumulative.push_back(so_far += counts[i]);
  cumulative.push_back(count);
  samples_.push_back({std::move(labels), sum, std::nullopt, std::move(cumulative)});
}

Family& Page::family(const std::string& name, Type type, Stability stability, std::string_view help) {
  return families_.try_emplace(name, type, stability, std::string(help)).first->second;
}

std::string text(const Page& page) {
  TextWriter writer;
  for (const auto& [name, family] : page.families()) writer.write(name, family);
  return writer.take();
}

}  // namespace keelson::metrics
