#pragma once

// Comparing a state machine and its engine with the model.

#include <gtest/gtest.h>

#include "tests/kv/kv_model.h"

namespace holdfast {

// That `engine` and what `machine` says of it are what `model` holds; of the past, from the floor
// on.
inline void expect_same(const KvModel& model, const KvStateMachine& machine, const Engine& engine) {
  EXPECT_EQ(machine.history_floor(), model.history().floor());
  EXPECT_EQ(*machine.hash_check(), model.history().check());
  const Revision floor = model.history().floor();
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
  NamedValues named;
  for (const std::string_view prefix :
       {"lease/", "bound/", "due/", "lock", "once", "setting/", "floor"}) {
    const Engine::NamedValueList found = engine.scan_meta(prefix, "", SIZE_MAX).value();
    for (const auto& [name, value] : found) {
      hash += named_hash(name, value);
      named.emplace(name, value);
    }
  }
  EXPECT_EQ(named, model.named());
  EXPECT_EQ(hash, machine.state_hash());
}

// That the past is as it was: ranges in both directions, and single keys, at random revisions.
inline void expect_same_past(const KvModel& model, const Engine& engine, Revision floor,
                             Random& random, int rounds) {
  floor = std::max(floor, model.history().floor());
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
