#include "agent/wiring/api_reviews.hpp"

#include <utility>

namespace keelson::agent {
namespace {

const Error& alone() {
  static const Error error(ErrorKind::unavailable, "this node has no API server to ask");
  return error;
}

}  // namespace

base::Task<Result<server::TokenReviewStatus>> ApiReviews::review(std::string token) {
  if (client_ == nullptr) co_return alone();
  k8s::authentication::v1::TokenReview order;
  order.mutable_spec()->set_token(std::move(token));
  auto answer = co_await client_->create<k8s::authentication::v1::TokenReview>("", std::move(order));
  if (!answer.ok()) co_return answer.error();
  co_return std::move(*answer->mutable_status());
}

base::Task<Result<server::AccessReviewStatus>> ApiReviews::review(server::AccessReviewSpec spec) {
  if (client_ == nullptr) co_return alone();
  k8s::authorization::v1::SubjectAccessReview order;
  *order.mutable_spec() = std::move(spec);
  auto answer = co_await client_->create<k8s::authorization::v1::SubjectAccessReview>("", std::move(order));
  if (!answer.ok()) co_return answer.error();
  co_return std::move(*answer->mutable_status());
}

}  // namespace keelson::agent
