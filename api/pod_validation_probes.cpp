// Probes and lifecycle hooks.
#include "api/int_or_string.hpp"
#include "api/pod_validation_internal.hpp"

namespace keelson::api::validation {
namespace {

// The signals a container may ask to be stopped with (SIGRTMIN and SIGRTMAX with their offsets included).
const Names& stop_signals() {
  static const Names names = [] {
    Names list = {"SIGABRT", "SIGALRM", "SIGBUS",   "SIGCHLD",   "SIGCLD",  "SIGCONT", "SIGFPE",    "SIGHUP",
                  "SIGILL",  "SIGINT",  "SIGIO",    "SIGIOT",    "SIGKILL", "SIGPIPE", "SIGPOLL",   "SIGPROF",
                  "SIGPWR",  "SIGQUIT", "SIGSEGV",  "SIGSTKFLT", "SIGSTOP", "SIGSYS",  "SIGTERM",   "SIGTRAP",
                  "SIGTSTP", "SIGTTIN", "SIGTTOU",  "SIGURG",    "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH",
                  "SIGXCPU", "SIGXFSZ", "SIGRTMIN", "SIGRTMAX"};
    for (int i = 1; i <= 15; ++i) list.push_back("SIGRTMIN+" + std::to_string(i));
    for (int i = 1; i <= 14; ++i) list.push_back("SIGRTMAX-" + std::to_string(i));
    return list;
  }();
  return names;
}

void check_port(const k8s::intstr::IntOrString& port, const Path& path, Errors& errors) {
  if (is_string(port)) {
    errors.invalid_each(path, port.strval(), port_name(port.strval()));
  } else {
    errors.invalid_each(path, port.intval(), port_number(port.intval()));
  }
}

void check_exec(const core::ExecAction& exec, const Path& path, Errors& errors) {
  if (exec.command_size() == 0) errors.required(path.child("command"));
}

void check_http_get(const core::HTTPGetAction& http, const Path& path, Errors& errors) {
  if (http.path().empty()) errors.required(path.child("path"));
  check_port(http.port(), path.child("port"), errors);
  errors.one_of(path.child("scheme"), http.scheme(), {"HTTP", "HTTPS"});
  for (const auto& header : http.httpheaders()) {
    errors.invalid_each(path.child("httpHeaders"), header.name(), http_header_name(header.name()));
  }
}

// Counts handlers; the second and later ones are told off and not looked into.
class Handlers {
 public:
  Handlers(const Path& path, Errors& errors) : path_(path), errors_(errors) {}
  bool first(bool present, const char* name) {
    if (!present) return false;
    if (++count_ == 1) return true;
    errors_.forbidden(path_.child(name), "may not specify more than 1 handler type");
    return false;
  }
  void finish() {
    if (count_ == 0) errors_.required(path_, "must specify a handler type");
  }

 private:
  const Path& path_;
  Errors& errors_;
  int count_ = 0;
};

void check_probe(const core::Probe& probe, const Path& path, Errors& errors) {
  const auto& handler = probe.handler();
  Handlers handlers(path, errors);
  if (handlers.first(handler.has_exec(), "exec")) check_exec(handler.exec(), path.child("exec"), errors);
  if (handlers.first(handler.has_httpget(), "httpGet")) {
    check_http_get(handler.httpget(), path.child("httpGet"), errors);
  }
  if (handlers.first(handler.has_tcpsocket(), "tcpSocket")) {
    check_port(handler.tcpsocket().port(), path.child("tcpSocket").child("port"), errors);
  }
  if (handlers.first(handler.has_grpc(), "grpc")) {
    errors.invalid_each(path.child("grpc").child("port"), handler.grpc().port(), port_number(handler.grpc().port()));
  }
  handlers.finish();

  const std::pair<const char*, int32_t> numbers[] = {
      {"initialDelaySeconds", probe.initialdelayseconds()},
      {"timeoutSeconds", probe.timeoutseconds()},
      {"periodSeconds", probe.periodseconds()},
      {"successThreshold", probe.successthreshold()},
      {"failureThreshold", probe.failurethreshold()},
  };
  for (const auto& [name, value] : numbers) {
    if (value < 0) errors.invalid(path.child(name), value, "must be greater than or equal to 0");
  }
  if (probe.has_terminationgraceperiodseconds() && probe.terminationgraceperiodseconds() <= 0) {
    errors.invalid(path.child("terminationGracePeriodSeconds"), probe.terminationgraceperiodseconds(),
                   "must be greater than 0");
  }
}

void check_hook(const core::LifecycleHandler& hook, const core::PodSpec& spec, const Path& path, Errors& errors) {
  Handlers handlers(path, errors);
  if (handlers.first(hook.has_exec(), "exec")) check_exec(hook.exec(), path.child("exec"), errors);
  if (handlers.first(hook.has_httpget(), "httpGet")) check_http_get(hook.httpget(), path.child("httpGet"), errors);
  if (handlers.first(hook.has_tcpsocket(), "tcpSocket")) {
    check_port(hook.tcpsocket().port(), path.child("tcpSocket").child("port"), errors);
  }
  if (handlers.first(hook.has_sleep(), "sleep") && spec.has_terminationgraceperiodseconds()) {
    const int64_t grace = spec.terminationgraceperiodseconds();
    if (hook.sleep().seconds() < 0 || hook.sleep().seconds() > grace) {
      errors.invalid(
          path.child("sleep"), hook.sleep().seconds(),
          "must be non-negative and less than terminationGracePeriodSeconds (" + std::to_string(grace) + ")");
    }
  }
  handlers.finish();
}

}  // namespace

void check_probes(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors) {
  (void)pod;
  if (container.has_livenessprobe()) {
    const Path at = path.child("livenessProbe");
    check_probe(container.livenessprobe(), at, errors);
    if (container.livenessprobe().successthreshold() != 1) {
      errors.invalid(at.child("successThreshold"), container.livenessprobe().successthreshold(), "must be 1");
    }
  }
  if (container.has_readinessprobe()) {
    const Path at = path.child("readinessProbe");
    check_probe(container.readinessprobe(), at, errors);
    if (container.readinessprobe().has_terminationgraceperiodseconds()) {
      errors.invalid(at.child("terminationGracePeriodSeconds"),
                     container.readinessprobe().terminationgraceperiodseconds(), "must not be set for readinessProbes");
    }
  }
  if (container.has_startupprobe()) {
    const Path at = path.child("startupProbe");
    check_probe(container.startupprobe(), at, errors);
    if (container.startupprobe().successthreshold() != 1) {
      errors.invalid(at.child("successThreshold"), container.startupprobe().successthreshold(), "must be 1");
    }
  }
}

void check_lifecycle(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors) {
  if (!container.has_lifecycle()) return;
  const auto& lifecycle = container.lifecycle();
  const Path at = path.child("lifecycle");
  if (lifecycle.has_poststart()) check_hook(lifecycle.poststart(), pod.spec, at.child("postStart"), errors);
  if (lifecycle.has_prestop()) check_hook(lifecycle.prestop(), pod.spec, at.child("preStop"), errors);
  if (!lifecycle.has_stopsignal()) return;
  if (!pod.spec.has_os()) {
    errors.forbidden(at.child("stopSignal"), "may not be set for containers with empty `spec.os.name`");
  } else {
    errors.one_of(at.child("stopSignal"), lifecycle.stopsignal(), stop_signals());
  }
}

}  // namespace keelson::api::validation
