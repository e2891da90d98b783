// HMAC-SHA-256 (RFC 2104, FIPS 180-4): whether a value was written by someone who knows the run's secret.
#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace ct {

using Digest = std::array<uint8_t, 32>;

Digest hmac(const std::string &secret, const std::string &message);

}  // namespace ct
