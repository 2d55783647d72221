#include "tests/support/api/fake_api_backend.hpp"

#include "tests/support/api/fake_api_signer.hpp"

namespace keelson::fakes {

ApiBackend::ApiBackend(base::Loop& loop, base::Clock& clock)
    : clock_(clock), watches_(loop, clock, store_), signer_(std::make_unique<FakeApiSigner>(clock.now())) {}

ApiBackend::~ApiBackend() = default;

}  // namespace keelson::fakes
