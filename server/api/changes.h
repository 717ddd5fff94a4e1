#pragma once

// What all changing calls have in common: the client's own name for the change (Idempotency-Key),
// and how the replica's reply becomes an answer.

#include <expected>
#include <optional>

#include "server/api/answers.h"
#include "storage/kv/command.h"
#include "storage/kv/reply.h"

namespace holdfast {

// A change on its way to the gate.
struct ChangeCall {
  Bytes command;
  Instant deadline;
  Explained explained = nullptr;
};

// The Idempotency-Key, with what the client asks under it; nothing: there is none. To be called
// while the request is whole. `timeout` changes nothing of what is asked, so a retry may differ in
// it.
std::expected<std::optional<Once>, http::Problem> once_of(const http::Request& request);
// The same of a line of /v1/bulk: `key` as its `idempotency_key`, `asked` what it asks.
std::expected<Once, http::Problem> once_of_line(std::string_view key, std::string_view asked);
// For the calls that keep no answer: a key would promise what they do not do.
std::expected<void, http::Problem> refuse_once(const http::Request& request);

// 507 for what makes the state grow, while the cluster's disks are short of room. `not_applied` is
// this request alone: an earlier one under its Idempotency-Key may have been done.
std::expected<void, http::Problem> check_room(const Services& services, const Command& command);

// For the calls that take no body.
std::expected<void, http::Problem> refuse_body(const http::Request& request);

// Why the state machine has not done it; not for kOk and kPreconditionFailed.
http::Problem problem_of_reply(const Reply& reply);
// 412, with the key's entity tag where it exists.
http::Response precondition_failed(Revision current);
// What `outcome` says: `show` makes the answer to a change that was made.
using ShowReply = http::Response (*)(const Services& services, const Reply& reply);
Outcome answer_change(const Services& services, const Gate::Outcome& outcome, ShowReply show);
// Proposes it, and makes the answer.
Task<Outcome> make_change(Services& services, ChangeCall change, ShowReply show);

}  // namespace holdfast
