#pragma once

// The JSON of faults: as it is asked for, and as it is shown.

#include <expected>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "replication/node/status.h"
#include "server/faults.h"
#include "server/http/problem.h"

namespace holdfast {

// 400, which names the field, for what is not known, not a member's name, or not sensible.
std::expected<FaultSet, http::Problem> faults_in(const nlohmann::json& body,
                                                 const NodeStatus& status);
// What faults_in takes: only what is set stands in it.
std::string json_of(const FaultSet& faults);

}  // namespace holdfast
