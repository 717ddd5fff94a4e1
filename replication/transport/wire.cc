#include "replication/transport/wire.h"

#include <utility>
#include <vector>

#include <fmt/core.h>

#include "replication/transport/frame.h"
#include "replication/transport/wire.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/codec.h"
#include "storage/base/overloaded.h"

namespace holdfast {
namespace {

void put_position(proto::Position* out, const LogPosition& position) {
  out->set_term(position.term.value);
  out->set_index(position.index.value);
}

LogPosition position_of(const proto::Position& in) {
  return {Term{in.term()}, LogIndex{in.index()}};
}

void put_proof(proto::CurrencyProof* out, const raft::CurrencyProof& proof) {
  out->set_after_moment(proof.after_moment);
  out->set_commit(proof.commit.value);
}

std::optional<raft::Reach> reach_of(const proto::Heartbeat& in) {
  if (!in.has_reach()) return std::nullopt;
  return raft::Reach{in.reach().after_moment(), LogIndex{in.reach().last()}};
}

std::optional<raft::CurrencyProof> proof_of(const proto::Heartbeat& in) {
  if (!in.has_proof()) return std::nullopt;
  return raft::CurrencyProof{in.proof().after_moment(), LogIndex{in.proof().commit()}};
}

void put_entry_head(std::string& out, const LogEntry& entry) {
  put_fixed<uint32_t>(out, static_cast<uint32_t>(entry.payload.size()));
  put_fixed<uint8_t>(out, static_cast<uint8_t>(entry.kind));
  put_fixed<uint64_t>(out, entry.term.value);
  put_fixed<uint64_t>(out, entry.index.value);
  put_fixed<uint64_t>(out, entry.origin.node.value);
  put_fixed<uint64_t>(out, entry.origin.request.value);
  put_fixed<uint64_t>(out, entry.stamp.cluster_ms);
  put_fixed<uint64_t>(out, entry.stamp.wall_ms);
  put_fixed<uint64_t>(out, entry.payload.checksum());
}

Result<std::vector<EntryPtr>> entries_of(const Frame& frame, size_t count) {
  if (frame.heads.size() != count * kFrameEntryHeadBytes)
    return fail(ErrorCode::kCorrupt, "an append does not have the entries that it names");
  FixedReader heads(frame.heads);
  FixedReader payloads(frame.payloads);
  std::vector<EntryPtr> entries;
  entries.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t payload_bytes = *heads.take<uint32_t>();
    const uint8_t kind = *heads.take<uint8_t>();
    const Term term{*heads.take<uint64_t>()};
    const LogIndex index{*heads.take<uint64_t>()};
    const NodeId node{*heads.take<uint64_t>()};
    const RequestId request{*heads.take<uint64_t>()};
    const uint64_t cluster_ms = *heads.take<uint64_t>();
    const uint64_t wall_ms = *heads.take<uint64_t>();
    const uint64_t sum = *heads.take<uint64_t>();
    const auto payload = payloads.take_bytes(payload_bytes);
    if (!payload || checksum(*payload) != sum || kind < 1 || kind > 3)
      return fail(ErrorCode::kCorrupt, fmt::format("entry {} came damaged", index.value));
    entries.push_back(std::make_shared<const LogEntry>(LogEntry{index,
                                                                term,
                                                                static_cast<EntryKind>(kind),
                                                                {node, request},
                                                                Bytes(std::string(*payload), sum),
                                                                {cluster_ms, wall_ms}}));
  }
  return entries;
}

void put_heartbeat(proto::Heartbeat& out, const raft::Heartbeat& in) {
  out.set_commit(in.commit.index.value);
  out.set_commit_term(in.commit.term.value);
  out.set_round(in.round);
  out.set_refuses_growth(in.refuses_growth);
  if (in.proof) put_proof(out.mutable_proof(), *in.proof);
  if (in.reach) {
    out.mutable_reach()->set_after_moment(in.reach->after_moment);
    out.mutable_reach()->set_last(in.reach->last.value);
  }
}

void put_heartbeat_reply(proto::HeartbeatReply& out, const raft::HeartbeatReply& in) {
  out.set_round(in.round);
  out.set_verified(in.verified.value);
  out.set_moment(in.moment);
  out.set_quarantined(in.quarantined);
  out.set_lacks_state(in.lacks_state);
  out.set_installs(in.installs);
  out.set_short_of_room(in.short_of_room);
}

void put_body(proto::PeerMessage& out, const raft::MessageBody& body) {
  std::visit(
      Overloaded{
          [&](const raft::VoteRequest& in) {
            proto::VoteRequest* request = out.mutable_vote_request();
            request->set_pre_vote(in.phase == raft::VotePhase::kPreVote);
            request->set_term(in.term.value);
            put_position(request->mutable_last(), in.last);
            request->set_handed_over(in.handed_over);
          },
          [&](const raft::VoteReply& in) {
            proto::VoteReply* reply = out.mutable_vote_reply();
            reply->set_pre_vote(in.phase == raft::VotePhase::kPreVote);
            reply->set_term(in.term.value);
            reply->set_granted(in.granted);
            reply->set_removed(in.removed);
          },
          [&](const raft::Append& in) {
            proto::Append* append = out.mutable_append();
            put_position(append->mutable_previous(), in.previous);
            append->set_commit(in.commit.value);
            append->set_entries(static_cast<uint32_t>(in.entries.size()));
          },
          [&](const raft::Appended& in) { out.mutable_appended()->set_match(in.match.value); },
          [&](const raft::AppendRejected& in) {
            put_position(out.mutable_append_rejected()->mutable_previous(), in.previous);
            put_position(out.mutable_append_rejected()->mutable_hint(), in.hint);
          },
          [&](const raft::Heartbeat& in) { put_heartbeat(*out.mutable_heartbeat(), in); },
          [&](const raft::HeartbeatReply& in) {
            put_heartbeat_reply(*out.mutable_heartbeat_reply(), in);
          },
          [&](const raft::Forward& in) {
            proto::Forward* forward = out.mutable_forward();
            forward->set_run(in.run);
            forward->set_number(in.number);
            for (const raft::ForwardedProposal& proposal : in.proposals) {
              proto::ForwardedProposal* added = forward->add_proposals();
              added->set_request(proposal.request.value);
              added->set_payload(std::string(proposal.payload.view()));
              added->set_payload_checksum(proposal.payload.checksum());
              added->set_changes_members(proposal.kind == EntryKind::kMembers);
            }
          },
          [&](const raft::ForwardRefused& in) {
            proto::ForwardRefused* refused = out.mutable_forward_refused();
            refused->set_overloaded(in.reason == raft::ForwardRefusal::kOverloaded);
            refused->set_rejected(in.reason == raft::ForwardRefusal::kRejected);
            refused->set_detail(in.detail);
            refused->set_given(in.given.value);
            for (const RequestId request : in.requests) refused->add_requests(request.value);
          },
          [&](const raft::ReadRequest& in) { out.mutable_read_request()->set_attempt(in.attempt); },
          [&](const raft::ReadReply& in) {
            out.mutable_read_reply()->set_attempt(in.attempt);
            out.mutable_read_reply()->set_index(in.index.value);
          },
          [&](const raft::HandOverRequest& in) {
            out.mutable_hand_over_request()->set_target(in.target.value);
          },
          [&](const raft::TakeOver&) { out.mutable_take_over(); },
      },
      body);
}

Result<raft::Forward> forward_of(proto::Forward& in) {
  raft::Forward forward{in.run(), in.number(), {}};
  for (proto::ForwardedProposal& proposal : *in.mutable_proposals()) {
    // The log that it goes to, and every node that it is sent to, compares this.
    if (checksum(proposal.payload()) != proposal.payload_checksum())
      return fail(ErrorCode::kCorrupt, fmt::format("proposal {} came damaged", proposal.request()));
    forward.proposals.push_back(
        {RequestId{proposal.request()},
         Bytes(std::move(*proposal.mutable_payload()), proposal.payload_checksum()),
         proposal.changes_members() ? EntryKind::kMembers : EntryKind::kCommand});
  }
  return forward;
}

raft::ForwardRefused forward_refused_of(const proto::ForwardRefused& in) {
  raft::ForwardRefused refused{in.rejected()     ? raft::ForwardRefusal::kRejected
                               : in.overloaded() ? raft::ForwardRefusal::kOverloaded
                                                 : raft::ForwardRefusal::kNotLeader,
                               Term{in.given()},
                               {},
                               in.detail()};
  for (const uint64_t request : in.requests()) refused.requests.push_back(RequestId{request});
  return refused;
}

raft::VotePhase phase_of(bool pre_vote) {
  return pre_vote ? raft::VotePhase::kPreVote : raft::VotePhase::kVote;
}

Result<raft::MessageBody> body_of(proto::PeerMessage& in, const Frame& frame) {
  switch (in.body_case()) {
    case proto::PeerMessage::kVoteRequest:
      return raft::VoteRequest{
          phase_of(in.vote_request().pre_vote()), Term{in.vote_request().term()},
          position_of(in.vote_request().last()), in.vote_request().handed_over()};
    case proto::PeerMessage::kVoteReply:
      return raft::VoteReply{phase_of(in.vote_reply().pre_vote()), Term{in.vote_reply().term()},
                             in.vote_reply().granted(), in.vote_reply().removed()};
    case proto::PeerMessage::kAppend: {
      HOLDFAST_ASSIGN(std::vector<EntryPtr> entries, entries_of(frame, in.append().entries()));
      return raft::Append{position_of(in.append().previous()), std::move(entries),
                          LogIndex{in.append().commit()}};
    }
    case proto::PeerMessage::kAppended:
      return raft::Appended{LogIndex{in.appended().match()}};
    case proto::PeerMessage::kAppendRejected:
      return raft::AppendRejected{position_of(in.append_rejected().previous()),
                                  position_of(in.append_rejected().hint())};
    case proto::PeerMessage::kHeartbeat:
      return raft::Heartbeat{
          LogPosition{Term{in.heartbeat().commit_term()}, LogIndex{in.heartbeat().commit()}},
          in.heartbeat().round(), proof_of(in.heartbeat()), reach_of(in.heartbeat()),
          in.heartbeat().refuses_growth()};
    case proto::PeerMessage::kHeartbeatReply:
      return raft::HeartbeatReply{
          in.heartbeat_reply().round(),        LogIndex{in.heartbeat_reply().verified()},
          in.heartbeat_reply().moment(),       in.heartbeat_reply().quarantined(),
          in.heartbeat_reply().lacks_state(),  in.heartbeat_reply().installs(),
          in.heartbeat_reply().short_of_room()};
    case proto::PeerMessage::kForward:
      return forward_of(*in.mutable_forward());
    case proto::PeerMessage::kForwardRefused:
      return forward_refused_of(in.forward_refused());
    case proto::PeerMessage::kReadRequest:
      return raft::ReadRequest{in.read_request().attempt()};
    case proto::PeerMessage::kReadReply:
      return raft::ReadReply{in.read_reply().attempt(), LogIndex{in.read_reply().index()}};
    case proto::PeerMessage::kHandOverRequest:
      return raft::HandOverRequest{NodeId{in.hand_over_request().target()}};
    case proto::PeerMessage::kTakeOver:
      return raft::TakeOver{};
    case proto::PeerMessage::BODY_NOT_SET:
      break;
  }
  return fail(ErrorCode::kCorrupt, "a message of a kind that this version does not know");
}

}  // namespace

void encode_hello(const Hello& hello, std::string& out) {
  proto::Hello message;
  message.set_protocol(hello.protocol);
  message.set_cluster(hello.cluster.value);
  message.set_node(hello.node.value);
  message.set_name(hello.name);
  message.set_peer_address(hello.peer_address);
  if (hello.snapshot_term) message.set_snapshot_term(hello.snapshot_term.value);
  const size_t start = begin_frame(out);
  message.AppendToString(&out);
  finish_frame(out, start, out.size() - start - kFrameHeadBytes, 0);
}

void encode_message(const PeerMessage& message, std::string& out) {
  proto::PeerMessage encoded;
  encoded.set_cluster(message.cluster.value);
  encoded.set_group(message.group.value);
  encoded.set_from(message.envelope.from.value);
  encoded.set_to(message.envelope.to.value);
  encoded.set_term(message.envelope.term.value);
  put_body(encoded, message.envelope.body);
  const size_t start = begin_frame(out);
  encoded.AppendToString(&out);
  const size_t message_bytes = out.size() - start - kFrameHeadBytes;
  const raft::Append* append = std::get_if<raft::Append>(&message.envelope.body);
  const size_t entries = append ? append->entries.size() : 0;
  if (append) {
    for (const EntryPtr& entry : append->entries) put_entry_head(out, *entry);
    for (const EntryPtr& entry : append->entries) out.append(entry->payload.view());
  }
  finish_frame(out, start, message_bytes, entries);
}

Result<std::optional<Hello>> take_hello(std::string_view& bytes) {
  HOLDFAST_ASSIGN(const std::optional<Frame> frame, take_frame(bytes, kFramePartBytesMax));
  if (!frame) return std::nullopt;
  proto::Hello hello;
  if (!hello.ParseFromArray(frame->message.data(), static_cast<int>(frame->message.size())))
    return fail(ErrorCode::kCorrupt, "the peer's greeting cannot be read");
  return Hello{hello.protocol(), ClusterId{hello.cluster()}, NodeId{hello.node()},
               hello.name(),     hello.peer_address(),       Term{hello.snapshot_term()}};
}

Result<std::optional<PeerMessage>> take_message(std::string_view& bytes) {
  HOLDFAST_ASSIGN(const std::optional<Frame> frame, take_frame(bytes, kFramePartBytesMax));
  if (!frame) return std::nullopt;
  proto::PeerMessage in;
  if (!in.ParseFromArray(frame->message.data(), static_cast<int>(frame->message.size())))
    return fail(ErrorCode::kCorrupt, "a message cannot be read");
  HOLDFAST_ASSIGN(raft::MessageBody body, body_of(in, *frame));
  return PeerMessage{
      ClusterId{in.cluster()}, GroupId{in.group()},
      raft::Envelope{NodeId{in.from()}, NodeId{in.to()}, Term{in.term()}, std::move(body)}};
}

}  // namespace holdfast
