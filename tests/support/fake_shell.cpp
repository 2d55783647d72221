#include "tests/support/fake_shell.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace keelson::fakes {
namespace {

using Kind = Step::Kind;
using Condition = Step::Condition;

// Stands for a `$` that single quotes protect.
constexpr char kLiteralDollar = '\x01';

std::string base_name(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::optional<std::chrono::nanoseconds> sleep_length(const std::string& text) {
  if (text == "infinity" || text == "inf") return std::chrono::hours(24 * 365);
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || number < 0) return std::nullopt;
  static const std::map<std::string, double> kUnits{{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  const auto unit = kUnits.find(end);
  if (unit == kUnits.end()) return std::nullopt;
  const double seconds = std::min(number * unit->second, 3.0e8);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

// One simple command with what stood around it.
struct Statement {
  std::vector<std::string> words;
  Condition condition = Condition::always;
  bool background = false;
  std::string redirect;
  bool append = false;
};

class Splitter {
 public:
  explicit Splitter(const std::string& text) : text_(text) {}

  std::vector<Statement> split() {
    while (at_ < text_.size()) step();
    end_statement(Condition::always);
    return std::move(statements_);
  }

 private:
  bool next_is(std::string_view what) const { return text_.compare(at_, what.size(), what) == 0; }

  void step() {
    const char c = text_[at_];
    if (c == '\'') return quoted('\'');
    if (c == '"') return quoted('"');
    if (c == '\\' && at_ + 1 < text_.size()) {
      word_ += text_[at_ + 1] == '$' ? kLiteralDollar : text_[at_ + 1];
      in_word_ = true;
      at_ += 2;
      return;
    }
    if (next_is("&&")) return separator(2, Condition::after_success);
    if (next_is("||")) return separator(2, Condition::after_failure);
    if (next_is("2>&1")) return skip(4);
    if (next_is(">&2") || next_is("1>&2")) {
      current_.redirect = "/dev/stderr";
      return skip(c == '>' ? 3 : 4);
    }
    if (c == '>') {
      end_word();
      current_.append = next_is(">>");
      at_ += current_.append ? 2 : 1;
      redirect_next_ = true;
      return;
    }
    if (c == '&') {
      current_.background = true;
      return separator(1, Condition::always);
    }
    if (c == ';' || c == '\n') return separator(1, Condition::always);
    if (c == ' ' || c == '\t') {
      end_word();
      ++at_;
      return;
    }
    word_ += c;
    in_word_ = true;
    ++at_;
  }

  void quoted(char quote) {
    in_word_ = true;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      word_ += quote == '\'' && text_[at_] == '$' ? kLiteralDollar : text_[at_];
    }
    ++at_;
  }

  void skip(std::size_t count) {
    end_word();
    at_ += count;
  }

  void separator(std::size_t length, Condition following) {
    end_statement(following);
    at_ += length;
  }

  void end_word() {
    if (!in_word_) return;
    if (redirect_next_) {
      current_.redirect = word_;
      redirect_next_ = false;
    } else {
      current_.words.push_back(word_);
    }
    word_.clear();
    in_word_ = false;
  }

  void end_statement(Condition following) {
    end_word();
    if (!current_.words.empty() || !current_.redirect.empty()) statements_.push_back(std::move(current_));
    current_ = Statement{};
    current_.condition = following;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  std::string word_;
  bool in_word_ = false;
  bool redirect_next_ = false;
  Statement current_;
  std::vector<Statement> statements_;
};

const std::set<std::string>& small_commands() {
  static const std::set<std::string> names{"echo", "printf", "true", "false",    ":",   "cat",      "test", "[",
                                           "ls",   "touch",  "rm",   "printenv", "env", "hostname", "id"};
  return names;
}

const std::set<std::string>& servers() {
  static const std::set<std::string> names{"httpd", "nc", "tail", "top", "pause", "crond", "inetd"};
  return names;
}

Program compile_script(const std::string& script);

// A statement that is one step; nullopt when the command is unknown.
std::optional<Step> compile_simple(const std::vector<std::string>& words) {
  Step step;
  step.words = words;
  const std::string name = base_name(words[0]);
  if (name == "sleep" && words.size() > 1) {
    const auto length = sleep_length(words[1]);
    if (!length) return std::nullopt;
    step.kind = Kind::sleep;
    step.duration = *length;
  } else if (name == "exit") {
    step.kind = Kind::exit;
    step.code = words.size() > 1 ? std::atoi(words[1].c_str()) & 255 : -1;
  } else if (name == "trap" && words.size() > 1) {
    step.kind = Kind::trap;
    std::string body = words[1];
    std::replace(body.begin(), body.end(), kLiteralDollar, '$');
    step.body = compile_script(body);
  } else if (name == "kill" && words.size() == 3 && words[2] == "$$") {
    step.kind = Kind::kill_self;
    static const std::map<std::string, int> kSignals{{"-KILL", 9}, {"-TERM", 15}, {"-SEGV", 11}, {"-ABRT", 6}};
    const auto signal = kSignals.find(words[1]);
    step.code = signal != kSignals.end() ? signal->second : std::atoi(words[1].c_str() + 1);
  } else if (servers().count(name) != 0) {
    step.kind = Kind::forever;
  } else if (small_commands().count(name) != 0) {
    step.kind = Kind::run;
    step.words[0] = name;
  } else {
    return std::nullopt;
  }
  return step;
}

Program compile_script(const std::string& script) {
  Program program;
  std::vector<int> loops;
  std::chrono::nanoseconds background{0};
  for (auto& statement : Splitter(script).split()) {
    auto& words = statement.words;
    if (!words.empty() && words[0] == "while") {
      loops.push_back(static_cast<int>(program.size()));
      continue;
    }
    if (!words.empty() && (words[0] == "do" || words[0] == "exec")) words.erase(words.begin());
    if (words.empty() && statement.redirect.empty()) continue;
    if (words.empty()) words.push_back(":");

    Step step;
    if (words[0] == "done") {
      if (loops.empty()) continue;
      step.kind = Kind::jump;
      step.code = loops.back();
      loops.pop_back();
    } else if (words[0] == "wait") {
      step.kind = Kind::wait;
      step.duration = background;
    } else if (auto simple = compile_simple(words)) {
      step = std::move(*simple);
    } else {
      step.words = words;  // fails with 127 when it is reached
    }
    if (statement.background) {
      if (step.kind == Kind::sleep) background = std::max(background, step.duration);
      if (step.kind == Kind::forever) background = std::chrono::hours(24 * 365);
      continue;
    }
    step.condition = statement.condition;
    step.redirect = statement.redirect;
    step.append = statement.append;
    program.push_back(std::move(step));
  }
  return program;
}

std::string expand(const std::string& word, const std::map<std::string, std::string>& env) {
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == kLiteralDollar) {
      out += '$';
      continue;
    }
    if (word[i] != '$' || i + 1 == word.size()) {
      out += word[i];
      continue;
    }
    const bool braces = word[i + 1] == '{';
    std::size_t end = i + 1 + (braces ? 1 : 0);
    const std::size_t start = end;
    while (end < word.size() && (std::isalnum(static_cast<unsigned char>(word[end])) != 0 || word[end] == '_')) ++end;
    const auto value = env.find(word.substr(start, end - start));
    if (value != env.end()) out += value->second;
    i = braces ? end : end - 1;
  }
  return out;
}

int test_status(const std::vector<std::string>& words, const Files& files) {
  if (words.size() < 2) return 1;
  const auto& op = words[0];
  if (op == "-n" || op == "-z") return (op == "-n") == !words[1].empty() ? 0 : 1;
  if (op[0] == '-') {
    const auto content = files.read(words[1]);
    return content && (op != "-s" || !content->empty()) ? 0 : 1;
  }
  if (words.size() == 3 && (op.empty() || words[1] == "=" || words[1] == "==")) return words[0] == words[2] ? 0 : 1;
  if (words.size() == 3 && words[1] == "!=") return words[0] != words[2] ? 0 : 1;
  return 2;
}

}  // namespace

std::optional<Program> compile_command(const std::vector<std::string>& argv) {
  if (argv.empty()) return std::nullopt;
  std::vector<std::string> words = argv;
  if (base_name(words[0]) == "busybox" && words.size() > 1) words.erase(words.begin());
  const std::string name = base_name(words[0]);
  if ((name == "sh" || name == "ash" || name == "bash") && words.size() >= 3 && words[1] == "-c") {
    return compile_script(words[2]);
  }
  // Without a shell nothing is expanded.
  for (auto& word : words) std::replace(word.begin(), word.end(), '$', kLiteralDollar);
  if (name == "exit" || name == "trap" || name == "kill") return std::nullopt;
  auto step = compile_simple(words);
  if (!step) return std::nullopt;
  return Program{std::move(*step)};
}

CommandOutput run_small_command(const std::vector<std::string>& raw, const std::map<std::string, std::string>& env,
                                Files& files) {
  std::vector<std::string> words;
  for (const auto& word : raw) words.push_back(expand(word, env));
  CommandOutput result;
  const std::string name = words[0];
  std::vector<std::string> args(words.begin() + 1, words.end());

  if (name == "true" || name == ":" || name == "ls" || name == "id") return result;
  if (name == "false") {
    result.status = 1;
  } else if (name == "echo") {
    const bool newline = args.empty() || args[0] != "-n";
    if (!newline) args.erase(args.begin());
    for (std::size_t i = 0; i < args.size(); ++i) result.out += (i == 0 ? "" : " ") + args[i];
    if (newline) result.out += '\n';
  } else if (name == "printf") {
    for (const auto& arg : args) result.out += arg;
  } else if (name == "hostname") {
    const auto host = env.find("HOSTNAME");
    result.out = (host == env.end() ? "" : host->second) + "\n";
  } else if (name == "env" || (name == "printenv" && args.empty())) {
    for (const auto& [key, value] : env) result.out += key + "=" + value + "\n";
  } else if (name == "printenv") {
    const auto value = env.find(args[0]);
    if (value == env.end()) {
      result.status = 1;
    } else {
      result.out = value->second + "\n";
    }
  } else if (name == "test" || name == "[") {
    if (!args.empty() && args.back() == "]") args.pop_back();
    result.status = test_status(args, files);
  } else if (name == "cat") {
    for (const auto& path : args) {
      const auto content = files.read(path);
      if (content) {
        result.out += *content;
      } else {
        result.err += "cat: can't open '" + path + "': No such file or directory\n";
        result.status = 1;
      }
    }
  } else if (name == "touch") {
    for (const auto& path : args) files.write(path, "", true);
  } else if (name == "rm") {
    const bool force = !args.empty() && args[0].rfind("-", 0) == 0 && args[0].find('f') != std::string::npos;
    for (const auto& path : args) {
      if (path.rfind("-", 0) == 0) continue;
      if (!files.remove(path) && !force) {
        result.err += "rm: can't remove '" + path + "': No such file or directory\n";
        result.status = 1;
      }
    }
  } else {
    result.status = 127;
    result.err = "sh: " + name + ": not found\n";
  }
  return result;
}

}  // namespace keelson::fakes
