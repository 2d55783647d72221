// Client's typed requests; include kube-client/client.hpp.
#pragma once

#include "kube-client/client.hpp"

namespace keelson::kube {
namespace internal {

template <class T>
Result<T> typed(Result<std::unique_ptr<google::protobuf::Message>> answer) {
  if (!answer.ok()) return std::move(answer).error();
  return std::move(static_cast<T&>(**answer));
}

inline std::string_view content_type(PatchType type) {
  switch (type) {
    case PatchType::strategic_merge: return "application/strategic-merge-patch+json";
    case PatchType::merge: return "application/merge-patch+json";
    case PatchType::json: return "application/json-patch+json";
  }
  return "";
}

// Without a name: of the whole collection.
Call delete_call(const Resource& resource, std::string_view ns, std::string_view name,
                 const api::meta::DeleteOptions* options);

}  // namespace internal

template <class T>
base::Task<Result<T>> Client::get(std::string ns, std::string name, Query query) {
  Call request;
  request.path = path_of(resource_of(T::descriptor()), ns, name);
  request.query = std::move(query);
  request.answer = &T::default_instance();
  auto answer = co_await call(std::move(request));
  co_return internal::typed<T>(std::move(answer));
}

template <class T>
base::Task<Result<T>> Client::create(std::string ns, T object, Query query) {
  Call request;
  request.method = "POST";
  request.path = path_of(resource_of(T::descriptor()), ns);
  request.query = std::move(query);
  request.body = &object;
  request.answer = &T::default_instance();
  auto answer = co_await call(std::move(request));
  co_return internal::typed<T>(std::move(answer));
}

template <class T>
base::Task<Result<T>> Client::update(T object, std::string subresource) {
  Call request;
  request.method = "PUT";
  request.path =
      path_of(resource_of(T::descriptor()), object.metadata().namespace_(), object.metadata().name(), subresource);
  request.body = &object;
  request.answer = &T::default_instance();
  auto answer = co_await call(std::move(request));
  co_return internal::typed<T>(std::move(answer));
}

template <class T>
base::Task<Result<T>> Client::patch(std::string ns, std::string name, PatchType type, std::string body,
                                    std::string subresource) {
  Call request;
  request.method = "PATCH";
  request.path = path_of(resource_of(T::descriptor()), ns, name, subresource);
  request.patch_type = std::string(internal::content_type(type));
  request.patch = std::move(body);
  request.answer = &T::default_instance();
  auto answer = co_await call(std::move(request));
  co_return internal::typed<T>(std::move(answer));
}

template <class T>
base::Task<Status> Client::remove(std::string ns, std::string name, api::meta::DeleteOptions options) {
  Call request = internal::delete_call(resource_of(T::descriptor()), ns, name, &options);
  auto answer = co_await call(std::move(request));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return Status();
}

template <class T>
base::Task<Status> Client::remove_all(std::string ns, Query query, api::meta::DeleteOptions options) {
  Call request = internal::delete_call(resource_of(T::descriptor()), ns, {}, &options);
  request.query = std::move(query);
  auto answer = co_await call(std::move(request));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return Status();
}

template <class T, class Request>
base::Task<Result<Request>> Client::create_sub(std::string ns, std::string name, std::string subresource,
                                               Request object) {
  Call request;
  request.method = "POST";
  request.path = path_of(resource_of(T::descriptor()), ns, name, subresource);
  request.body = &object;
  request.answer = &Request::default_instance();
  auto answer = co_await call(std::move(request));
  co_return internal::typed<Request>(std::move(answer));
}

}  // namespace keelson::kube
