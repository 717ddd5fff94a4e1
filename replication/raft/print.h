#pragma once

// Everything that goes into or comes out of Raft as one line of text, for traces and scenarios.
// A position is written term/index; a row of entries first..last, as 2/5..7.

#include <string>
#include <vector>

#include "replication/raft/input.h"
#include "replication/raft/output.h"

namespace holdfast::raft {

struct Status;

std::string to_text(const LogPosition& position);
std::string to_text(const std::vector<EntryPtr>& entries);
std::string to_text(const MessageBody& body);
std::string to_text(const Envelope& envelope);  // 1 -> 2 Heartbeat term=3 commit=7 round=12
std::string to_text(const Input& input);
std::string to_text(const LogWrite& write);
std::string to_text(const LoadOrder& order);
std::string to_text(const SnapshotOrder& order);
std::string to_text(const Refusal& refusal);
std::string to_text(const RoleChange& change);
std::string to_text(const Status& status);
std::vector<std::string> to_lines(const Output& output);  // one for each part

}  // namespace holdfast::raft
