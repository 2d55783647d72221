#include "tests/support/api/fake_api_faults.hpp"

namespace keelson::fakes {
namespace {

bool matches(const ApiFault& fault, const std::string& method, const std::string& target) {
  if (fault.times == 0) return false;
  if (!fault.method.empty() && fault.method != method) return false;
  if (!target.starts_with(fault.path_prefix)) return false;
  return target.find(fault.path_contains) != std::string::npos;
}

void apply(const ApiFault& fault, FaultPlan& plan) {
  plan.latency += fault.latency;
  plan.stale = plan.stale || fault.stale;
  if (plan.hang || plan.status != 0 || plan.reset || plan.half_body) return;
  plan.hang = fault.hang;
  plan.status = fault.status;
  plan.retry_after = fault.retry_after;
  plan.reset = fault.reset;
  plan.after_effect = fault.after_effect;
  plan.half_body = fault.half_body;
}

// Half of the first piece, then the connection breaks.
class HalfStream final : public ApiStream {
 public:
  explicit HalfStream(std::unique_ptr<ApiStream> whole) : whole_(std::move(whole)) {}

  base::Task<Result<std::string>> next() override {
    if (given_) co_return Error(ErrorKind::unavailable, "the connection broke in the middle of an answer");
    auto piece = co_await whole_->next();
    given_ = true;
    if (piece.ok()) piece->resize(piece->size() / 2);
    co_return piece;
  }

 private:
  std::unique_ptr<ApiStream> whole_;
  bool given_ = false;
};

}  // namespace

void ApiFaults::remove(const std::string& id) {
  std::erase_if(faults_, [&](const ApiFault& fault) { return fault.id == id; });
}

FaultPlan ApiFaults::take(const std::string& method, const std::string& target) {
  FaultPlan plan;
  for (ApiFault& fault : faults_) {
    if (!matches(fault, method, target)) continue;
    apply(fault, plan);
    if (fault.times > 0) --fault.times;
  }
  std::erase_if(faults_, [](const ApiFault& fault) { return fault.times == 0; });
  return plan;
}

ApiAnswer halved(ApiAnswer answer) {
  if (answer.stream != nullptr) {
    answer.stream = std::make_unique<HalfStream>(std::move(answer.stream));
  } else {
    answer.cut_after = answer.body.size() / 2;
  }
  return answer;
}

}  // namespace keelson::fakes
