#include "server/offline/log_dump.h"

#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "replication/raft/membership.h"
#include "server/offline/log_walk.h"
#include "storage/base/text.h"
#include "storage/kv/command_text.h"

namespace holdfast::offline {
namespace {

std::string_view name_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::kCommand:
      return "command";
    case EntryKind::kMembers:
      return "members";
    case EntryKind::kBarrier:
      return "barrier";
  }
  return "unknown";
}

std::string text_of_members(std::string_view payload) {
  const Result<raft::Members> members = raft::decode_members(payload);
  if (!members) return members.error().message;
  std::string text;
  for (const raft::Member& member : members->list)
    text += fmt::format("{}{} {:016x} at {}{}", text.empty() ? "" : ", ", member.name,
                        member.id.value, member.peer_address, member.voter ? "" : " (learner)");
  return text;
}

std::string text_of(const RecordView& entry) {
  switch (entry.kind) {
    case EntryKind::kCommand:
      return text_of_command(entry.payload);
    case EntryKind::kMembers:
      return text_of_members(entry.payload);
    case EntryKind::kBarrier:
      return "a leader begins its term";
  }
  return fmt::format("{} bytes of a kind that this version does not know", entry.payload.size());
}

std::string text_of_vote(NodeId vote) {
  return vote ? fmt::format("voted for {:016x}", vote.value) : "has not voted";
}

class Dump {
 public:
  explicit Dump(const DumpOrder& order) : order_(order) {}

  void take(const Segment& segment) {
    note("segment", segment.path(),
         fmt::format("follows entry {} of term {}", segment.header().after.index.value,
                     segment.header().after.term.value));
  }
  void take(const RecordView& record) {
    switch (record.type) {
      case RecordType::kEntry:
        if (record.index >= order_.from && record.index <= order_.to) print(record);
        return;
      case RecordType::kHardState:
        return note("hard_state", fmt::format("term {}", record.term.value),
                    text_of_vote(record.origin.node));
      case RecordType::kCutFrom:
        return note("cut", fmt::format("entries from {} on", record.index.value),
                    "are void: a leader has others in their place");
      case RecordType::kRestart:
        return note("restart", fmt::format("behind entry {}", record.index.value),
                    fmt::format("of term {}: the state was installed there", record.term.value));
    }
  }
  void take(const TornTail& tail) {
    note("torn_tail", tail.file,
         fmt::format("{} bytes at {} of a batch that was not whole when the node stopped, or is "
                     "being written; never acknowledged",
                     tail.bytes, tail.offset));
  }
  void damage(const std::string& what) {
    ++damaged_;
    note("damage", what, "");
  }
  size_t damaged() const { return damaged_; }

 private:
  void print(const RecordView& entry) {
    if (order_.as_json) {
      const nlohmann::json line = {{"type", "entry"},
                                   {"index", entry.index.value},
                                   {"term", entry.term.value},
                                   {"kind", name_of(entry.kind)},
                                   {"node", fmt::format("{:016x}", entry.origin.node.value)},
                                   {"request", std::to_string(entry.origin.request.value)},
                                   {"cluster_ms", entry.stamp.cluster_ms},
                                   {"wall_ms", entry.stamp.wall_ms},
                                   {"bytes", entry.payload.size()},
                                   {"text", text_of(entry)}};
      return write(line.dump());
    }
    write(fmt::format("{:>10} {:>5}  {:<8} {:016x}/{:<20} {} {:>12.3f}s  {}", entry.index.value,
                      entry.term.value, name_of(entry.kind), entry.origin.node.value,
                      entry.origin.request.value, time_text(entry.stamp.wall_ms),
                      static_cast<double>(entry.stamp.cluster_ms) / 1000, text_of(entry)));
  }
  // What is no entry.
  void note(std::string_view type, std::string_view what, std::string_view more) {
    if (order_.as_json) {
      const nlohmann::json line = {
          {"type", type}, {"text", fmt::format("{}{}{}", what, more.empty() ? "" : ": ", more)}};
      return write(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
    write(fmt::format("-- {}: {}{}{}", type, what, more.empty() ? "" : ", ", more));
  }
  void write(std::string_view line) { fmt::print(order_.out, "{}\n", line); }

  const DumpOrder& order_;
  size_t damaged_ = 0;
};

}  // namespace

Result<size_t> dump_log(FileSystem& fs, const DumpOrder& order) {
  Dump dump(order);
  const LogVisitor visitor{.segment = [&](const Segment& segment) { dump.take(segment); },
                           .record = [&](const RecordView& record) { dump.take(record); },
                           .damage = [&](const std::string& what) { dump.damage(what); },
                           .torn_tail = [&](const TornTail& tail) { dump.take(tail); }};
  HOLDFAST_TRY(walk_log_files(fs, order.directory, visitor));
  return dump.damaged();
}

}  // namespace holdfast::offline
