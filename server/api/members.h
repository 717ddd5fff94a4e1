#pragma once

// Who belongs to the cluster: adding, removing and promoting members while it serves. Each call is
// answered when the change is committed and in effect here.

#include "server/api/answers.h"

namespace holdfast {

// POST /v1/cluster/members: a node asks to be taken in. It may ask again with the same id.
Task<Outcome> add_member(Services& services, http::Request request);
// DELETE /v1/cluster/members/{name}
Task<Outcome> remove_member(Services& services, http::Request request);
// POST /v1/cluster/members/{name}/promote
Task<Outcome> promote_member(Services& services, http::Request request);

// What is unwise about the number of voters; empty: nothing.
std::string warning_of(const raft::Members& members);

}  // namespace holdfast
