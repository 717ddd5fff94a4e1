#pragma once

// The dumb second version of the state machine: it keeps every write in a list and reads by going
// through the list.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "storage/kv/kv_state_machine.h"
#include "tests/kv/random_commands.h"
#include "tests/kv/test_stores.h"

namespace holdfast {

class KvModel {
 public:
  Reply apply(const LogEntry& entry) {
    summary_.applied = entry.position();
    summary_.cluster_ms = std::max(summary_.cluster_ms, entry.stamp.cluster_ms);
    summary_.wall_ms = std::max(summary_.wall_ms, entry.stamp.wall_ms);
    Reply reply{.revision = summary_.revision};
    if (entry.kind == EntryKind::kMembers) members_ = entry.payload.view();
    if (entry.kind == EntryKind::kCommand) {
      const Command command = decode_command(entry.payload.view()).value();
      reply = std::visit([this](const auto& act) { return obey(act); }, command.act);
    }
    summary_.state_hash = 0;
    for (const auto& [key, row] : newest_) {
      summary_.state_hash += row_hash(key, row.info, row.value);
    }
    return reply;
  }

  const StateSummary& summary() const { return summary_; }
  std::vector<Change> changes(Revision first) const {
    std::vector<Change> found = changes_;
    std::erase_if(found, [first](const Change& change) { return change.revision < first; });
    return found;
  }
  const ClientUrls& urls() const { return urls_; }
  const std::string& members() const { return members_; }
  const std::map<std::string, Row>& newest() const { return newest_; }

  std::map<std::string, Row> rows_at(Revision at) const {
    std::map<std::string, Row> rows;
    for (const Write& write : writes_) {
      if (write.revision > at) break;
      if (write.row) {
        rows[write.key] = *write.row;
      } else {
        rows.erase(write.key);
      }
    }
    return rows;
  }

  // What Engine::versions gives.
  std::vector<KeptVersion> versions(const std::string& key, Revision floor, Revision at) const {
    std::vector<KeptVersion> found;
    for (const Write& write : writes_) {
      if (write.key != key || write.revision > at) continue;
      if (write.revision <= floor) found.clear();
      if (write.row || write.revision >= floor) found.push_back({write.revision, write.row});
    }
    std::ranges::reverse(found);
    return found;
  }

  Rows scan(const RangeScan& scan) const {
    Rows rows;
    for (const auto& [key, row] : rows_at(scan.at)) {
      if (key >= scan.start && (scan.end.empty() || key < scan.end)) rows.emplace_back(key, row);
    }
    if (scan.reverse) std::ranges::reverse(rows);
    return rows;
  }

 private:
  struct Write {
    Revision revision;
    std::string key;
    std::optional<Row> row;
  };

  Revision begin_change() {
    summary_.revision = summary_.revision + 1;
    changes_.push_back({summary_.revision, summary_.wall_ms, {}});
    return summary_.revision;
  }

  void put_row(const std::string& key, std::optional<Row> row) {
    changes_.back().keys.push_back(key);
    if (row) {
      newest_[key] = *row;
    } else {
      newest_.erase(key);
    }
    writes_.push_back({summary_.revision, key, std::move(row)});
  }

  // Nothing, or the refusal.
  std::optional<Reply> check(const std::string& key, const std::vector<Condition>& conditions) {
    const Revision mod = newest_.contains(key) ? newest_[key].info.mod_revision : Revision{};
    for (const Condition& condition : conditions) {
      bool equal = false;
      for (const Revision revision : condition.revisions) equal |= revision == mod && mod;
      if (condition.any && mod) equal = true;
      if (equal != (condition.kind == Condition::Kind::kMatch)) {
        return Reply{.status = ReplyStatus::kPreconditionFailed,
                     .revision = summary_.revision,
                     .current = mod};
      }
    }
    return std::nullopt;
  }

  Reply obey(const PutCommand& put) {
    if (const auto refusal = check(put.key, put.conditions)) return *refusal;
    const auto old = newest_.find(put.key);
    const bool created = old == newest_.end();
    const Revision now = begin_change();
    RowInfo info{created ? now : old->second.info.create_revision, now,
                 created ? 1 : old->second.info.version + 1};
    info.hash = row_hash(put.key, info, put.value);
    put_row(put.key, Row{info, put.value});
    return {.revision = now, .created = created};
  }

  Reply obey(const DeleteCommand& remove) {
    if (const auto refusal = check(remove.key, remove.conditions)) return *refusal;
    if (!newest_.contains(remove.key)) return {.revision = summary_.revision};
    begin_change();
    put_row(remove.key, std::nullopt);
    return {.revision = summary_.revision, .deleted = 1};
  }

  Reply obey(const DeleteRangeCommand& range) {
    std::vector<std::string> keys;
    for (const auto& [key, row] : newest_) {
      if (key >= range.start && (range.end.empty() || key < range.end)) keys.push_back(key);
    }
    if (keys.empty()) return {.revision = summary_.revision};
    begin_change();
    for (const std::string& key : keys) put_row(key, std::nullopt);
    return {.revision = summary_.revision, .deleted = keys.size()};
  }

  Reply obey(const AnnounceCommand& announce) {
    urls_[announce.node] = announce.client_url;
    return {.revision = summary_.revision};
  }

  StateSummary summary_;
  std::map<std::string, Row> newest_;
  std::vector<Write> writes_;
  std::vector<Change> changes_;
  ClientUrls urls_;
  std::string members_;
};

// That `engine` and what `machine` says of it are what `model` holds.
// Of the feed from `floor` on.
inline void expect_same(const KvModel& model, const KvStateMachine& machine, const Engine& engine,
                        Revision floor = {}) {
  EXPECT_EQ(machine.summary(), model.summary());
  EXPECT_EQ(machine.applied(), model.summary().applied);
  EXPECT_EQ(machine.revision(), model.summary().revision);
  EXPECT_EQ(*machine.client_urls(), model.urls());
  EXPECT_EQ(machine.members_payload(), model.members());
  EXPECT_EQ(read_changes(engine, floor), model.changes(floor));

  // The far future shows whatever lies in the engine beyond the newest revision.
  const RangeScan all{.start = "", .end = "", .at = {UINT64_MAX}};
  const Rows rows = read_rows(engine, all);
  EXPECT_EQ(rows, model.scan(all));
  uint64_t hash = 0;
  for (const auto& [key, row] : rows) hash += row_hash(key, row.info, row.value);
  EXPECT_EQ(hash, machine.state_hash());
}

// That the past is as it was: ranges in both directions, and single keys, at random revisions.
inline void expect_same_past(const KvModel& model, const Engine& engine, Revision floor,
                             Random& random, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const Revision at{random.between(floor.value, model.summary().revision.value)};
    RangeScan scan{.start = random.chance(0.2) ? "" : tricky_key(random),
                   .end = random.chance(0.2) ? "" : tricky_key(random),
                   .at = at,
                   .reverse = random.chance(0.5)};
    ASSERT_EQ(read_rows(engine, scan), model.scan(scan)) << "at revision " << at.value;
    const std::map<std::string, Row> rows = model.rows_at(at);
    for (int j = 0; j < 10; ++j) {
      const std::string key = tricky_key(random);
      const auto found = rows.find(key);
      const auto expected = found == rows.end() ? std::nullopt : std::optional(found->second);
      ASSERT_EQ(engine.get(key, at, ReadTier::kDisk).value(), expected)
          << "at revision " << at.value;
      const auto info = engine.get_info(key, at).value();
      ASSERT_EQ(info, expected ? std::optional(expected->info) : std::nullopt);
      ASSERT_EQ(read_versions(engine, key, floor, at), model.versions(key, floor, at));
    }
  }
}

}  // namespace holdfast
