// A hash of an object that stays the same over restarts, builds and versions of the protobuf library.
//
// Pure functions, any thread. 128-bit FNV-1a over a form of our own: every set field by its number, lists in order,
// map entries by key; what is equal in meaning (api::normalize) hashes equal.
// Source: contract 02 section 4.1 (UID of a static pod).
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

namespace keelson::static_pods {

class Fnv128a {
 public:
  void add(std::string_view bytes);
  // 32 hex digits.
  std::string hex() const;

 private:
  static constexpr unsigned __int128 constant(unsigned long long high, unsigned long long low) {
    return (static_cast<unsigned __int128>(high) << 64) | low;
  }
  unsigned __int128 hash_ = constant(0x6c62272e07bb0142, 0x62b821756295c58d);
};

// The form that is hashed; for tests and for comparing two objects.
std::string canonical_form(const google::protobuf::Message& message);

}  // namespace keelson::static_pods
