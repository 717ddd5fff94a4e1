#include "replication/raft/print.h"

#include <fmt/format.h>

#include "replication/raft/raft.h"
#include "storage/base/overloaded.h"

namespace holdfast::raft {
namespace {

const char* name(VotePhase phase) {
  return phase == VotePhase::kPreVote ? "PreVote" : "Vote";
}

const char* name(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

const char* name(HandoverCause cause) {
  switch (cause) {
    case HandoverCause::kAsked:
      return "asked";
    case HandoverCause::kSilentDisk:
      return "silent disk";
    case HandoverCause::kNoRoom:
      return "no room";
    case HandoverCause::kNoState:
      return "no state";
    case HandoverCause::kRemoval:
      return "removal";
  }
  return "?";
}

const char* name(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kNoLeader:
      return "no leader";
    case RefusalReason::kOverloaded:
      return "overloaded";
    case RefusalReason::kTimeout:
      return "timeout";
    case RefusalReason::kUnknown:
      return "unknown";
    case RefusalReason::kRejected:
      return "rejected";
    case RefusalReason::kFenced:
      return "fenced";
    case RefusalReason::kOvertaken:
      return "overtaken";
  }
  return "?";
}

const char* name(ForwardRefusal reason) {
  switch (reason) {
    case ForwardRefusal::kNotLeader:
      return "not leader";
    case ForwardRefusal::kOverloaded:
      return "overloaded";
    case ForwardRefusal::kRejected:
      return "rejected";
  }
  return "?";
}

template <class Items, class Text>
std::string joined(const Items& items, Text text) {
  std::string out;
  for (const auto& item : items) out += fmt::format("{}{}", out.empty() ? "" : ",", text(item));
  return out;
}

std::string requests(const std::vector<RequestId>& ids) {
  return joined(ids, [](RequestId id) { return id.value; });
}

}  // namespace

std::string to_text(const LogPosition& position) {
  return fmt::format("{}/{}", position.term.value, position.index.value);
}

std::string to_text(const std::vector<EntryPtr>& entries) {
  std::string out;
  for (size_t first = 0; first < entries.size();) {
    size_t last = first;
    while (last + 1 < entries.size() && entries[last + 1]->term == entries[first]->term &&
           entries[last + 1]->index == entries[last]->index + 1)
      ++last;
    if (!out.empty()) out += ",";
    out += to_text(entries[first]->position());
    if (last > first) out += fmt::format("..{}", entries[last]->index.value);
    first = last + 1;
  }
  return out.empty() ? "none" : out;
}

std::string to_text(const MessageBody& body) {
  return std::visit(
      Overloaded{
          [](const VoteRequest& m) {
            return fmt::format("{}Request for={} last={}{}", name(m.phase), m.term.value,
                               to_text(m.last), m.handed_over ? " handed over" : "");
          },
          [](const VoteReply& m) {
            return fmt::format("{}Reply for={} {}", name(m.phase), m.term.value,
                               m.granted   ? "granted"
                               : m.removed ? "refused, removed"
                                           : "refused");
          },
          [](const Append& m) {
            return fmt::format("Append previous={} entries={} commit={}", to_text(m.previous),
                               to_text(m.entries), m.commit.value);
          },
          [](const Appended& m) { return fmt::format("Appended match={}", m.match.value); },
          [](const AppendRejected& m) {
            return fmt::format("AppendRejected previous={} hint={}", to_text(m.previous),
                               to_text(m.hint));
          },
          [](const Heartbeat& m) {
            return fmt::format("Heartbeat commit={} round={}{}{}", to_text(m.commit), m.round,
                               m.reach ? fmt::format(" reach={}", m.reach->last.value) : "",
                               m.refuses_growth ? " refuses_growth" : "");
          },
          [](const HeartbeatReply& m) {
            return fmt::format("HeartbeatReply round={} verified={}{}{}{}{}", m.round,
                               m.verified.value, m.quarantined ? " quarantined" : "",
                               m.lacks_state ? " lacks_state" : "", m.installs ? " installs" : "",
                               m.short_of_room ? " short_of_room" : "");
          },
          [](const Forward& m) {
            return fmt::format(
                "Forward number={} requests={}", m.number,
                joined(m.proposals, [](const auto& proposal) { return proposal.request.value; }));
          },
          [](const ForwardRefused& m) {
            return fmt::format("ForwardRefused {} given={} requests={}", name(m.reason),
                               m.given.value, requests(m.requests));
          },
          // The number of an attempt starts anywhere, so that it says nothing to a reader.
          [](const ReadRequest&) { return std::string("ReadRequest"); },
          [](const ReadReply& m) { return fmt::format("ReadReply index={}", m.index.value); },
          [](const HandOverRequest& m) {
            return fmt::format("HandOverRequest to={}", m.target.value);
          },
          [](const TakeOver&) { return std::string("TakeOver"); },
      },
      body);
}

std::string to_text(const Envelope& envelope) {
  std::string body = to_text(envelope.body);
  const size_t space = body.find(' ');
  const std::string rest = space == std::string::npos ? "" : body.substr(space);
  return fmt::format("{} -> {} {} term={}{}", envelope.from.value, envelope.to.value,
                     body.substr(0, space), envelope.term.value, rest);
}

std::string to_text(const Input& input) {
  return std::visit(
      Overloaded{
          [](const Wake&) { return std::string("Wake"); },
          [](const Received& in) { return "Received " + to_text(in.envelope); },
          [](const Propose& in) {
            return "Propose requests=" +
                   joined(in.proposals, [](const auto& p) { return p.request.value; });
          },
          [](const ReadBarrier& in) {
            return "ReadBarrier requests=" +
                   joined(in.reads, [](const auto& read) { return read.request.value; });
          },
          [](const Persisted& in) { return fmt::format("Persisted ticket={}", in.ticket.value); },
          [](const Applied& in) { return fmt::format("Applied upto={}", in.upto.value); },
          [](const Loaded& in) {
            return fmt::format("Loaded for={} entries={}", in.destination.value,
                               to_text(in.entries));
          },
          [](const PeerGone& in) { return fmt::format("PeerGone peer={}", in.peer.value); },
          [](const TransferLeader& in) {
            return fmt::format("TransferLeader to={}", in.target.value);
          },
          [](const SnapshotDone& in) {
            return fmt::format("SnapshotDone to={} number={} {}", in.destination.value, in.number,
                               in.delivered ? "delivered" : "not delivered");
          },
          [](const SnapshotArrived& in) {
            return fmt::format("SnapshotArrived term={} position={}", in.term.value,
                               to_text(in.position));
          },
          [](const Installed& in) { return "Installed position=" + to_text(in.position); },
          [](const Calendar& in) { return fmt::format("Calendar wall={}", in.wall_ms); },
          [](const RoomChanged& in) {
            return std::string(in.is_full    ? "RoomChanged full"
                               : in.is_short ? "RoomChanged short"
                                             : "RoomChanged enough");
          },
          [](const QuarantineNoted&) { return std::string("QuarantineNoted"); },
      },
      input);
}

std::string to_text(const LogWrite& write) {
  std::string out = fmt::format("write ticket={}", write.ticket.value);
  if (write.hard_state)
    out +=
        fmt::format(" term={} vote={}", write.hard_state->term.value, write.hard_state->vote.value);
  if (write.restart_after) out += " restart_after=" + to_text(*write.restart_after);
  if (write.cut_from) out += fmt::format(" cut_from={}", write.cut_from->value);
  if (!write.append.empty()) out += " append=" + to_text(write.append);
  return out;
}

std::string to_text(const LoadOrder& order) {
  return fmt::format("load for={} first={} last={}", order.destination.value, order.first.value,
                     order.last.value);
}

std::string to_text(const SnapshotOrder& order) {
  return fmt::format("snapshot to={} number={}", order.destination.value, order.number);
}

std::string to_text(const Refusal& refusal) {
  return fmt::format("refused request={} {}{}", refusal.request.value, name(refusal.reason),
                     refusal.detail.empty() ? "" : ": " + refusal.detail);
}

std::string to_text(const RoleChange& change) {
  std::string out = fmt::format("{} term={}", name(change.role), change.term.value);
  if (change.role == Role::kFollower)
    out += change.leader ? fmt::format(" leader={}", change.leader.value) : " leader=?";
  if (change.handover)
    out += fmt::format(" hands over to={} ({})", change.handover->target.value,
                       name(change.handover->cause));
  return out;
}

std::string to_text(const Status& status) {
  return fmt::format(
      "{} last={} persisted={} commit={} applied={}{}{}{}{}{}{}",
      to_text(RoleChange{status.role, status.term, status.leader}), to_text(status.last),
      status.persisted.value, status.commit.value, status.applied.value,
      status.fenced ? " fenced" : "", status.quarantined ? " quarantined" : "",
      status.awaits_state ? " awaits_state" : "", status.short_of_room ? " short_of_room" : "",
      status.refuses_growth ? " refuses_growth" : "", status.removed ? " removed" : "");
}

std::vector<std::string> to_lines(const Output& output) {
  std::vector<std::string> lines;
  for (const RoleChange& change : output.roles) lines.push_back("becomes " + to_text(change));
  if (output.write) lines.push_back(to_text(*output.write));
  for (const LoadOrder& order : output.load) lines.push_back(to_text(order));
  for (const SnapshotOrder& order : output.snapshots) lines.push_back(to_text(order));
  for (const NodeId to : output.end_snapshots)
    lines.push_back(fmt::format("end snapshot to={}", to.value));
  if (!output.apply.empty()) lines.push_back("apply " + to_text(output.apply));
  if (output.install) lines.push_back("install " + to_text(output.install->position));
  for (const std::string& source : output.discard) lines.push_back("discard " + source);
  if (!output.readable.empty()) lines.push_back("readable " + requests(output.readable));
  for (const Refusal& refusal : output.refused) lines.push_back(to_text(refusal));
  for (const Envelope& envelope : output.send) lines.push_back(to_text(envelope));
  return lines;
}

}  // namespace holdfast::raft
