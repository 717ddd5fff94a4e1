#include "server/api/lifetimes.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "storage/base/text.h"

namespace holdfast {

using http::bad_request;
using http::Problem;

std::string text_of(LeaseId id) {
  return fmt::format("{:016x}", id.value);
}

std::expected<LeaseId, Problem> parse_lease_id(std::string_view text) {
  uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  const LeaseId id{number};
  if (text.size() == 16 && code == std::errc() && end == text.data() + text.size() &&
      is_lease_id(id))
    return id;
  return std::unexpected(bad_request(
      "a lease's id is 16 hexadecimal digits, as the answer that granted it says them"));
}

std::expected<uint64_t, Problem> parse_ttl(std::string_view name, std::string_view text) {
  const std::optional<Duration> ttl = parse_duration(text);
  const auto ms = ttl ? static_cast<uint64_t>(*ttl / std::chrono::milliseconds(1)) : 0;
  if (ms >= kTtlMsMin && ms <= kTtlMsMax) return ms;
  return std::unexpected(bad_request(
      fmt::format("'{}' must be a duration from 1s to {}h (a year), as 1500ms, 30s, 5m or 2h", name,
                  kTtlMsMax / 3'600'000)));
}

std::expected<void, Problem> take_bond(http::Query& query, PutCommand& put) {
  const std::optional<std::string> lease = query.take("lease");
  const std::optional<std::string> ttl = query.take("ttl");
  if (lease && ttl)
    return std::unexpected(bad_request("give 'lease' or 'ttl', not both: a key ends once"));
  if (lease) {
    HOLDFAST_ASSIGN(put.lease, parse_lease_id(*lease));
  }
  if (ttl) {
    HOLDFAST_ASSIGN(put.ttl_ms, parse_ttl("ttl", *ttl));
  }
  return {};
}

uint64_t cluster_now_ms(const Services& services) {
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  if (status->raft.role != raft::Role::kLeader) return status->raft.cluster_ms;
  const Duration since = std::max(Duration::zero(), services.clock->now() - status->taken);
  return status->raft.cluster_ms + static_cast<uint64_t>(since / std::chrono::milliseconds(1));
}

uint64_t remaining_ms(uint64_t deadline_ms, uint64_t now_ms) {
  return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

Problem lease_not_found(LeaseId id) {
  return {.code = http::Code::kLeaseNotFound,
          .detail = fmt::format("there is no lease {}: it was revoked, or its time is over; "
                                "nothing was changed",
                                text_of(id))};
}

}  // namespace holdfast
