#pragma once

// GET /v1/cluster: what this node knows of its cluster. Answers without a quorum, too.

#include "server/api/answers.h"

namespace holdfast {

// Silent for longer, a member counts as not healthy.
inline constexpr Duration kHealthyWithin = std::chrono::seconds(1);

Task<Outcome> show_cluster(Services& services, http::Request request);
// POST /v1/cluster/leader: answers when the new leader serves, or cannot say whether it will.
// Between two leaders it waits for the next.
Task<Outcome> change_leader(Services& services, http::Request request);

const char* name_of(raft::Role role);
// The member's id as text: 64 bits pass what JSON numbers hold.
std::string text_of(uint64_t id);
// The leader heard a majority of voters of late, itself included; another node knows a leader.
bool has_quorum(const NodeStatus& status, Instant now);

}  // namespace holdfast
