#include "probes/http_message.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/go_text.hpp"

namespace keelson::probes {
namespace {

constexpr std::size_t kHeadLimit = 1 << 20;
constexpr std::size_t kBodyLimit = 10 << 10;
constexpr std::size_t kChunkLineLimit = 4096;
constexpr int kMostInformational = 5;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_token(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kOthers.find(c) != std::string_view::npos;
}

// Up to the next line's end, which is taken away with it.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_version(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.size() == 8 && text.starts_with("HTTP/") && digit(text[5]) && text[6] == '.' && digit(text[7]);
}

struct StatusLine {
  bool http10 = false;
  int status = 0;
  std::string problem;
};

StatusLine parse_status_line(std::string_view line) {
  StatusLine out;
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos) {
    out.problem = "malformed HTTP response " + base::go_quote(line);
    return out;
  }
  std::string_view rest = line.substr(blank);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const std::string_view code = rest.substr(0, rest.find(' '));
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), out.status);
  if (code.size() != 3 || error != std::errc() || end != code.data() + code.size() || out.status < 0) {
    out.problem = "malformed HTTP status code " + base::go_quote(code);
  } else if (!is_version(line.substr(0, blank))) {
    out.problem = "malformed HTTP version " + base::go_quote(line.substr(0, blank));
  }
  out.http10 = line.starts_with("HTTP/1.0");
  return out;
}

// The header fields of a head without its first line. Empty when they can be read, else Go's complaint.
std::string parse_fields(std::string_view text, HttpHeaders& fields) {
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (line.empty()) break;
    if (is_blank(line.front())) {
      if (fields.empty()) return "malformed MIME header initial line: " + std::string(line);
      fields.back().second += " " + std::string(trimmed(line));
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return "malformed MIME header line: " + std::string(line);
    fields.emplace_back(std::string(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1))));
  }
  return "";
}

// Where the empty line that ends a head ends, looking from `from` on.
std::optional<std::size_t> head_end(std::string_view head, std::size_t from) {
  for (std::size_t at = head.find('\n', from); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    const std::string_view rest = head.substr(at + 1);
    if (rest.starts_with('\n')) return at + 2;
    if (rest.starts_with("\r\n")) return at + 3;
  }
  return std::nullopt;
}

}  // namespace

std::string canonical_header(std::string_view name) {
  std::string out(name);
  if (!std::all_of(out.begin(), out.end(), is_token)) return out;
  bool first = true;
  for (char& c : out) {
    c = first ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : lower(c);
    first = c == '-';
  }
  return out;
}

const std::string* find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [own, value] : headers) {
    if (same_name(own, name)) return &value;
  }
  return nullptr;
}

const std::string* bad_header(const HttpHeaders& headers) {
  for (const auto& [name, value] : headers) {
    const bool bad = std::any_of(value.begin(), value.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
    if (bad || name.empty() || !std::all_of(name.begin(), name.end(), is_token)) return &name;
  }
  return nullptr;
}

std::string get_request(std::string_view target, std::string_view authority, const HttpHeaders& headers,
                        std::string_view user_agent) {
  const std::string* host = find_header(headers, "Host");
  const std::string* own_agent = find_header(headers, "User-Agent");
  const std::string* accept = find_header(headers, "Accept");
  std::string out = "GET ";
  out.reserve(256);
  const auto line = [&out](std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  };
  out += target;
  out += " HTTP/1.1\r\n";
  line("Host", host != nullptr && !host->empty() ? std::string_view(*host) : authority);
  const std::string_view agent = own_agent != nullptr ? std::string_view(*own_agent) : user_agent;
  if (!agent.empty()) line("User-Agent", agent);
  if (accept == nullptr && headers.empty()) {
    line("Accept", "*/*");
  } else {
    std::multimap<std::string, std::string_view> sorted;
    if (accept == nullptr) sorted.emplace("Accept", "*/*");
    for (const auto& [given, value] : headers) {
      std::string name = canonical_header(given);
      if (name == "Host" || name == "User-Agent" || name == "Content-Length" || name == "Transfer-Encoding" ||
          name == "Trailer" || (name == "Accept" && accept->empty())) {
        continue;
      }
      sorted.emplace(std::move(name), value);
    }
    for (const auto& [name, value] : sorted) line(name, trimmed(value));
  }
  if (find_header(headers, "Connection") == nullptr) line("Connection", "close");
  out += "\r\n";
  return out;
}

void AnswerReader::fail(std::string problem) {
  problem_ = std::move(problem);
  if (state_ == State::head) line_.clear();
}

bool AnswerReader::take(std::string_view data) {
  while (problem_.empty() && state_ != State::done && !data.empty()) {
    switch (state_) {
      case State::head:
        line_ += data;
        data = {};
        if (read_head()) {
          const std::string rest = std::exchange(line_, std::string());
          take(rest);
        }
        break;
      case State::body:
        if (!until_close_) {
          data = data.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), left_)));
          left_ -= data.size();
        }
        keep(data);
        if (!until_close_ && left_ == 0) state_ = State::done;
        data = {};
        break;
      case State::done: break;
      default: data = read_chunked(data);
    }
  }
  return problem_.empty() && state_ != State::done;
}

// True when the head is complete; line_ then holds what follows it.
bool AnswerReader::read_head() {
  while (true) {
    // Rubbish is known as such from its first line; more of it need not come.
    if (scanned_ == 0 && line_.find('\n') != std::string::npos) {
      std::string_view text = line_;
      StatusLine first = parse_status_line(next_line(text));
      if (!first.problem.empty()) {
        fail(std::move(first.problem));
        return false;
      }
    }
    const auto end = head_end(line_, scanned_);
    if (!end) {
      scanned_ = line_.size() > 2 && line_.find('\n') != std::string::npos ? line_.size() - 2 : 0;
      if (line_.size() > kHeadLimit) {
        fail("net/http: server response headers exceeded " + std::to_string(kHeadLimit) + " bytes; aborted");
      }
      return false;
    }
    const bool good = parse_head(std::string_view(line_).substr(0, *end));
    line_.erase(0, good ? *end : line_.size());
    scanned_ = 0;
    if (!good) return false;
    if (status_ >= 200 || status_ == 101) return true;
    if (++informational_ > kMostInformational) {
      fail("net/http: too many 1xx informational responses");
      return false;
    }
    headers_.clear();
    state_ = State::head;
  }
}

bool AnswerReader::parse_head(std::string_view head) {
  StatusLine first = parse_status_line(next_line(head));
  status_ = first.status;
  std::string problem = first.problem.empty() ? parse_fields(head, headers_) : std::move(first.problem);
  if (!problem.empty()) {
    fail(std::move(problem));
    return false;
  }
  state_ = State::body;
  if (first.http10)
    std::erase_if(headers_, [](const auto& field) { return same_name(field.first, "Transfer-Encoding"); });
  return parse_framing();
}

bool AnswerReader::parse_framing() {
  const std::string* encoding = find_header(headers_, "Transfer-Encoding");
  const std::string* length = find_header(headers_, "Content-Length");
  if (encoding != nullptr && !same_name(*encoding, "chunked")) {
    state_ = State::head;
    fail("unsupported transfer encoding: " + base::go_quote(*encoding));
    return false;
  }
  if (status_ < 200 || status_ == 204 || status_ == 304) {
    state_ = State::done;
  } else if (encoding != nullptr) {
    state_ = State::chunk_size;
  } else if (length != nullptr) {
    const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), left_);
    if (error != std::errc() || end != length->data() + length->size() || length->empty()) {
      state_ = State::head;
      fail("bad Content-Length " + base::go_quote(*length));
      return false;
    }
    if (left_ == 0) state_ = State::done;
  } else {
    until_close_ = true;
  }
  return true;
}

void AnswerReader::keep(std::string_view data) {
  body_ += data.substr(0, kBodyLimit - body_.size());
  if (body_.size() == kBodyLimit) state_ = State::done;
}

// A whole line is in line_; false when it has not ended.
bool AnswerReader::take_line(std::string_view& data) {
  const std::size_t end = data.find('\n');
  line_ += data.substr(0, end);
  data.remove_prefix(std::min(data.size(), end == std::string_view::npos ? end : end + 1));
  if (line_.size() > kChunkLineLimit) fail("http: chunk header line too long");
  if (end == std::string_view::npos) return false;
  if (line_.ends_with('\r')) line_.pop_back();
  return problem_.empty();
}

std::string_view AnswerReader::read_chunked(std::string_view data) {
  if (state_ == State::chunk) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), left_));
    left_ -= size;
    keep(data.substr(0, size));
    if (left_ == 0 && state_ == State::chunk) state_ = State::chunk_end;
    return data.substr(size);
  }
  if (!take_line(data)) return data;
  const std::string line = std::move(line_);
  line_.clear();
  if (state_ == State::chunk_size) {
    const std::string_view digits = trimmed(std::string_view(line).substr(0, line.find(';')));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
    if (digits.empty() || end != digits.data() + digits.size()) {
      fail("invalid byte in chunk length");
    } else if (error != std::errc()) {
      fail("http chunk length too large");
    } else {
      state_ = left_ == 0 ? State::trailer : State::chunk;
    }
  } else if (state_ == State::chunk_end) {
    if (!line.empty()) fail("malformed chunked encoding");
    state_ = State::chunk_size;
  } else if (line.empty()) {
    state_ = State::done;
  }
  return data;
}

void AnswerReader::end() {
  if (!problem_.empty() || state_ == State::done) return;
  if (state_ == State::head) {
    if (line_.empty() && informational_ == 0) return fail("EOF");
    std::string_view text = line_;
    StatusLine first = parse_status_line(next_line(text));
    return fail(line_.empty() || first.problem.empty() ? "unexpected EOF" : std::move(first.problem));
  }
  if (!until_close_) return fail("unexpected EOF");
  state_ = State::done;
}

}  // namespace keelson::probes
