#pragma once

// GET /v1/usage: about how many keys lie under a prefix, and how much they take.

#include "server/api/answers.h"

namespace holdfast {

// So many keys are counted. Where there are more, the rest is estimated by what the engine knows
// of the sizes of ranges: good to some tenths where keys and values are much alike.
inline constexpr uint64_t kCountedKeys = 10'000;

Task<Outcome> show_usage(Services& services, http::Request request);

}  // namespace holdfast
