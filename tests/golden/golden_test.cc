// What earlier versions have written, opened part by part: no leader, so no clock moves, and what
// was there is compared however old it is.

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "server/data_directory.h"
#include "server/offline/verify.h"
#include "storage/fs/posix.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/leases.h"
#include "storage/kv/locks.h"
#include "storage/kv/rocks_engine.h"
#include "storage/log/segmented_log.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;
namespace files = std::filesystem;

std::vector<std::string> versions() {
  std::vector<std::string> found;
  for (const auto& entry : files::directory_iterator(HOLDFAST_GOLDEN))
    if (entry.path().extension() == ".json") found.push_back(entry.path().stem());
  return found;
}

std::string hex(uint64_t number) {
  return fmt::format("{:016x}", number);
}

// As the API says it: text where it is.
std::string text_of(const Json& json, const std::string& name) {
  return json.contains(name) ? json.at(name).get<std::string>() : std::string("\0\xff", 2);
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string pattern = "golden-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    const std::string file = fmt::format("{}/{}", HOLDFAST_GOLDEN, GetParam());
    std::ifstream(file + ".json") >> expected_;
    ASSERT_EQ(std::system(fmt::format("tar -xf {}.tar.xz -C {}", file, root_).c_str()), 0);
  }
  void TearDown() override {
    machine_.reset();
    engine_.reset();
    files::remove_all(root_);
  }

  std::string data() const { return root_ + "/data"; }
  std::string group() const { return data() + "/groups/1"; }
  // The state, and what the log has beyond it applied.
  void open() {
    auto engine = RocksEngine::open({.directory = group() + "/state"});
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
    auto machine = KvStateMachine::open(*engine_);
    ASSERT_TRUE(machine) << machine.error().message;
    machine_ = *std::move(machine);
    auto log = SegmentedLog::open(fs_, group() + "/log", {.salt = 1});
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_GT(machine_->applied().index, LogIndex{});
    ASSERT_LT(machine_->applied().index, log->recovered.last.index)
        << "there is something to apply";
    while (machine_->applied().index < log->recovered.last.index) {
      const auto entries = log->log->read({.destination = {1},
                                           .first = machine_->applied().index + 1,
                                           .last = log->recovered.last.index,
                                           .bytes_max = 1 << 20});
      ASSERT_TRUE(entries) << entries.error().message;
      std::vector<Completion> none;
      machine_->apply(*entries, {}, none);
    }
  }
  void expect_items(const Json& items, Revision at) const {
    size_t next = 0;
    ASSERT_TRUE(engine_->scan(
        {.at = at}, [&](std::string_view key, const RowInfo& info, std::string_view value) {
          if (next >= items.size()) return ++next, false;
          const Json& item = items.at(next++);
          EXPECT_EQ(key, text_of(item, "key"));
          if (item.contains("value")) {
            EXPECT_EQ(value, item.at("value").get<std::string>());
          }
          EXPECT_EQ(info.create_revision.value, item.at("create_revision"));
          EXPECT_EQ(info.mod_revision.value, item.at("mod_revision"));
          EXPECT_EQ(info.version, item.at("version"));
          EXPECT_EQ(info.bond.is_lease(), item.contains("lease"));
          if (info.bond.is_lease()) {
            EXPECT_EQ(hex(info.bond.lease().value), text_of(item, "lease"));
          }
          EXPECT_EQ(info.bond.is_deadline(), item.contains("ttl_ms"));
          return true;
        }));
    EXPECT_EQ(next, items.size());
  }

  PosixFileSystem fs_;
  std::string root_;
  Json expected_;
  std::unique_ptr<RocksEngine> engine_;
  std::unique_ptr<KvStateMachine> machine_;
};

TEST_P(GoldenTest, TheNodeIsWhoItWas) {
  const Result<Identity> identity = read_identity(fs_, data());
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->name, text_of(expected_, "name"));
  EXPECT_EQ(hex(identity->node.value), text_of(expected_, "id"));
  EXPECT_EQ(hex(identity->cluster.value), text_of(expected_, "cluster_id"));
  EXPECT_EQ(identity->first_members.list.size(), 1U);
  EXPECT_FALSE(identity->removed);
}

TEST_P(GoldenTest, TheStateIsWhatItWas) {
  open();
  EXPECT_EQ(machine_->revision().value, expected_.at("revision"));
  expect_items(expected_.at("items"), machine_->revision());
  const auto check = machine_->hash_check();
  EXPECT_EQ(hex(check->hash), text_of(expected_.at("agreed"), "hash"));
  EXPECT_EQ(check->index.value, expected_.at("agreed").at("index"));
  EXPECT_EQ(machine_->state_hash(), check->hash) << "nothing that is agreed on has changed since";
}

TEST_P(GoldenTest, ThePastIsWhatItWas) {
  open();
  EXPECT_EQ(machine_->history_floor().value, expected_.at("compact_revision"));
  const Json& past = expected_.at("past");
  expect_items(past.at("items"), Revision{past.at("revision").get<uint64_t>()});
  const Json& kept = expected_.at("history");
  size_t next = 0;
  ASSERT_TRUE(
      engine_->versions("history", machine_->history_floor(), machine_->revision(),
                        [&](Revision revision, const RowInfo* info, std::string_view value) {
                          if (next >= kept.size()) return ++next, false;
                          const Json& version = kept.at(next++);
                          EXPECT_EQ(revision.value, version.at("mod_revision"));
                          EXPECT_EQ(info == nullptr, version.at("type") == "delete");
                          if (info != nullptr) {
                            EXPECT_EQ(value, version.at("value").get<std::string>());
                          }
                          return true;
                        }));
  EXPECT_EQ(next, kept.size());
  EXPECT_GT(next, 3U);
}

TEST_P(GoldenTest, LeasesAreWhatTheyWere) {
  open();
  const auto leases = list_leases(*engine_, {}, 100);
  ASSERT_TRUE(leases);
  const Json& expected = expected_.at("leases");
  ASSERT_EQ(leases->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(hex(leases->at(i).id.value), text_of(expected.at(i), "id"));
    EXPECT_EQ(leases->at(i).ttl_ms, expected.at(i).at("ttl_ms"));
    EXPECT_EQ(Json(bound_keys(*engine_, leases->at(i).id, "", 100).value()),
              expected.at(i).at("keys"));
  }
}

TEST_P(GoldenTest, TheLockIsWhatItWas) {
  open();
  const auto lock = read_lock(*engine_, "golden");
  ASSERT_TRUE(lock);
  // There were none before format 3.
  ASSERT_EQ(lock->has_value(), expected_.contains("lock"));
  if (!*lock) return;
  const Json& expected = expected_.at("lock");
  EXPECT_EQ((*lock)->lock.token, expected.at("token"));
  EXPECT_EQ((*lock)->lock.owner, text_of(expected, "owner"));
  EXPECT_EQ(hex((*lock)->lock.lease.value), text_of(expected, "lease"));
  EXPECT_EQ((*lock)->lease.ttl_ms, expected.at("ttl_ms"));
}

TEST_P(GoldenTest, WhoBelongsAndWhatIsSetIsWhatItWas) {
  open();
  const auto members = raft::decode_members(machine_->members_payload());
  ASSERT_TRUE(members);
  const Json& expected = expected_.at("members");
  ASSERT_EQ(members->list.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(members->list[i].name, text_of(expected.at(i), "name"));
    EXPECT_EQ(hex(members->list[i].id.value), text_of(expected.at(i), "id"));
    EXPECT_EQ(members->list[i].voter, expected.at(i).at("voter"));
  }
  EXPECT_EQ(machine_->settings().keep_history_ms, uint64_t{8784} * 60 * 60 * 1000);
  EXPECT_EQ(expected_.at("settings").at("keep_history"), "8784h");
  const auto once = engine_->get_meta("once/" + expected_.at("once").at("key").get<std::string>());
  ASSERT_TRUE(once);
  EXPECT_TRUE(once->has_value()) << "a client may still ask again";
}

TEST_P(GoldenTest, VerifyCallsItSound) {
  PosixReader reader;
  const auto report = offline::verify_directory(reader, {.data_dir = data(), .log_dir = {}});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->wrong, testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenTest, testing::ValuesIn(versions()),
                         [](const auto& version) {
                           std::string name = version.param;
                           std::ranges::replace_if(
                               name, [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

}  // namespace
}  // namespace holdfast
