#pragma once

// What ends with time, as clients write and read it: ids of leases, times to live, what is left.

#include <expected>
#include <string>
#include <string_view>

#include "server/api/services.h"
#include "server/http/problem.h"
#include "server/http/query.h"
#include "storage/kv/command.h"

namespace holdfast {

// 16 hexadecimal digits.
std::string text_of(LeaseId id);
std::expected<LeaseId, http::Problem> parse_lease_id(std::string_view text);
// A duration from a second to a year, as milliseconds. `name`: of the parameter or field.
std::expected<uint64_t, http::Problem> parse_ttl(std::string_view name, std::string_view text);
// `lease=` or `ttl=`, into `put`.
std::expected<void, http::Problem> take_bond(http::Query& query, PutCommand& put);

// The cluster's clock as this node knows it. At the leader it is exact to the millisecond.
// Elsewhere it is that of the newest entry here, at most about a second ago as long as anything
// waits for its time and a leader is heard: what is left is then shown that much too long, and not
// too short.
uint64_t cluster_now_ms(const Services& services);
uint64_t remaining_ms(uint64_t deadline_ms, uint64_t now_ms);

// There is no such lease, or none any more. Nothing was changed.
http::Problem lease_not_found(LeaseId id);

}  // namespace holdfast
