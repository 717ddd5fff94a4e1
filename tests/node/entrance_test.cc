// A node that lost its vote comes back as another one, whatever ends it between any two steps.

#include "server/entrance.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "storage/base/log.h"
#include "storage/fs/posix.h"
#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

namespace files = std::filesystem;
namespace net = boost::asio;

const NodeId kOldId{7};
const ClusterId kOwn{0xabc};

// The cluster, as one of its nodes speaks for it: who is asked for is removed, who asks is added.
class OneOfTheCluster {
 public:
  OneOfTheCluster() : thread_([this] { serve(); }) {}
  ~OneOfTheCluster() {
    over_ = true;
    boost::system::error_code error;
    net::ip::tcp::socket(io_).connect(acceptor_.local_endpoint(), error);
    thread_.join();
  }

  std::string url() const {
    return fmt::format("http://127.0.0.1:{}", acceptor_.local_endpoint().port());
  }
  // By their ids.
  std::map<uint64_t, std::string> members() const {
    const std::lock_guard lock(mutex_);
    return members_;
  }
  void forget(NodeId id) {
    const std::lock_guard lock(mutex_);
    members_.erase(id.value);
  }
  std::function<void()> on_removal;  // on its own thread, before it is done

 private:
  void serve() {
    while (!over_) {
      net::ip::tcp::socket socket(io_);
      acceptor_.accept(socket);
      while (answer_one(socket)) {
      }
    }
  }
  bool answer_one(net::ip::tcp::socket& socket) {
    boost::system::error_code error;
    std::string request;
    const size_t head = net::read_until(socket, net::dynamic_buffer(request), "\r\n\r\n", error);
    if (error) return false;
    const size_t field = request.find("Content-Length: ");
    const size_t body = field < head ? std::stoul(request.substr(field + 16)) : 0;
    while (request.size() < head + body) {
      std::array<char, 4096> more{};
      request.append(more.data(), socket.read_some(net::buffer(more)));
    }
    net::write(socket, net::buffer(http_answer(200, answer(request, request.substr(head)))), error);
    return !error;
  }
  std::string answer(const std::string& request, const std::string& body) {
    if (request.starts_with("DELETE ") && on_removal) on_removal();
    const std::lock_guard lock(mutex_);
    if (request.starts_with("DELETE "))
      std::erase_if(members_, [](const auto& member) { return member.second == "n1"; });
    if (request.starts_with("POST ")) {
      const auto json = nlohmann::json::parse(body);
      members_[std::stoull(json.at("id").get<std::string>(), nullptr, 16)] = json.at("name");
    }
    nlohmann::json view = {{"cluster_id", fmt::format("{:016x}", kOwn.value)}};
    for (const auto& [id, name] : members_)
      view["members"].push_back(
          {{"id", fmt::format("{:016x}", id)}, {"name", name}, {"peer", "h:1"}, {"voter", true}});
    return view.dump();
  }

  mutable std::mutex mutex_;
  std::map<uint64_t, std::string> members_{{kOldId.value, "n1"}, {8, "n2"}};
  std::atomic<bool> over_ = false;
  net::io_context io_;
  net::ip::tcp::acceptor acceptor_{io_, {net::ip::make_address("127.0.0.1"), 0}};
  std::thread thread_;
};

// Ends with an error before its call number `left`, and does nothing from then on.
class DyingDisk final : public FileSystem {
 public:
  explicit DyingDisk(size_t left) : left_(left) {}
  bool is_dead() const { return left_ == 0; }

  class DyingFile final : public File {
   public:
    DyingFile(std::unique_ptr<File> file, DyingDisk& disk) : file_(std::move(file)), disk_(disk) {}
    Result<> write_at(uint64_t offset, std::string_view bytes) override {
      HOLDFAST_TRY(disk_.step());
      return file_->write_at(offset, bytes);
    }
    Result<std::string> read_at(uint64_t offset, size_t count) const override {
      return file_->read_at(offset, count);
    }
    Result<> take_room(uint64_t bytes) override {
      HOLDFAST_TRY(disk_.step());
      return file_->take_room(bytes);
    }
    Result<> sync() override {
      HOLDFAST_TRY(disk_.step());
      return file_->sync();
    }
    Result<uint64_t> size() const override { return file_->size(); }

   private:
    std::unique_ptr<File> file_;
    DyingDisk& disk_;
  };

  Result<std::unique_ptr<File>> create(const std::string& path) override {
    HOLDFAST_TRY(step());
    HOLDFAST_ASSIGN(std::unique_ptr<File> file, under_.create(path));
    return std::make_unique<DyingFile>(std::move(file), *this);
  }
  Result<std::unique_ptr<File>> open(const std::string& path) override {
    HOLDFAST_ASSIGN(std::unique_ptr<File> file, under_.open(path));
    return std::make_unique<DyingFile>(std::move(file), *this);
  }
  Result<bool> exists(const std::string& path) const override { return under_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    return under_.list(path);
  }
  Result<> create_directories(const std::string& path) override {
    HOLDFAST_TRY(step());
    return under_.create_directories(path);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    HOLDFAST_TRY(step());
    return under_.rename(from, to);
  }
  Result<> remove(const std::string& path) override {
    HOLDFAST_TRY(step());
    return under_.remove(path);
  }
  Result<> remove_directory(const std::string& path) override {
    HOLDFAST_TRY(step());
    return under_.remove_directory(path);
  }
  Result<> sync_directory(const std::string& path) override {
    HOLDFAST_TRY(step());
    return under_.sync_directory(path);
  }
  Result<DiskSpace> space(const std::string& path) const override { return under_.space(path); }

 private:
  Result<> step() {
    if (left_ > 0) --left_;
    if (left_ == 0) return fail(ErrorCode::kIo, "the disk is dead");
    return {};
  }

  PosixFileSystem under_;
  size_t left_;
};

class EntranceTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string pattern = "entrance-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    top_ = pattern;
    config_.name = "n1";
    config_.data_dir = top_ + "/data";
    if (GetParam()) config_.log_dir = top_ + "/logs";
    config_.peer_listen = closed_endpoint().authority();
  }
  void TearDown() override { files::remove_all(top_); }

  // A member whose log and state are of no use.
  void become_member() {
    auto directory = DataDirectory::open(fs_, config_.data_dir, "n1", kOldId, "x");
    ASSERT_TRUE(directory);
    ASSERT_TRUE(directory->enter(fs_, {.cluster = kOwn, .members = {}}));
    for (const std::string& one : data_folders()) {
      files::create_directories(one + "/groups/1");
      std::ofstream(one + "/groups/1/what-it-had") << one;
    }
  }
  void lose_vote(const std::string& url) {
    ASSERT_TRUE(note_rejoin(fs_, config_.data_dir,
                            {.old_id = kOldId, .cluster = kOwn, .urls = {url}, .why = "lost"}));
  }
  std::vector<std::string> data_folders() const {
    std::vector<std::string> all = {config_.data_dir};
    if (!config_.log_dir.empty()) all.push_back(config_.log_dir);
    return all;
  }

  // A start, as far as the entrance.
  Result<bool> start(FileSystem& fs) {
    HOLDFAST_ASSIGN(DataDirectory directory,
                    DataDirectory::open(fs, config_.data_dir, "", NodeId{99}, "x"));
    net::io_context loop{1};
    TcpTransport transport(loop, hello_of(config_, directory.identity()), Random(1));
    HOLDFAST_TRY(transport.listen(config_.peer_listen));
    const SystemClock clock;
    return Entrance(config_, {.segment_bytes = 64 << 10, .salt = 1},
                    {loop, transport, clock, fs, directory, tell_}, Random(random_++))
        .pass();
  }
  Identity identity() { return read_identity(fs_, config_.data_dir).value(); }

  PosixFileSystem fs_;
  std::string top_;
  Config config_;
  std::vector<Event> told_;
  const TellEvent tell_ = [this](Event event) { told_.push_back(std::move(event)); };
  uint64_t random_ = 1;
};

TEST_P(EntranceTest, AnEndBetweenAnyTwoStepsIsHarmless) {
  size_t calls = 1;
  for (bool went_through = false; !went_through; ++calls) {
    TearDown();
    files::create_directories(top_);
    OneOfTheCluster cluster;
    become_member();
    lose_vote(cluster.url());
    bool was_noted = false;
    cluster.on_removal = [&] {
      PosixFileSystem fs;
      was_noted = read_rejoin_note(fs, config_.data_dir).value()->asked;
    };
    DyingDisk dying(calls);
    const Result<bool> first = start(dying);
    went_through = !dying.is_dead();
    ASSERT_EQ(first.has_value(), went_through) << calls;
    if (cluster.members().contains(kOldId.value)) {
      EXPECT_EQ(identity().node, kOldId) << calls;
    } else {
      EXPECT_TRUE(was_noted) << "else it would take the removal for somebody else's: " << calls;
    }
    if (identity().node != kOldId) {
      for (const std::string& one : data_folders())
        EXPECT_TRUE(files::exists(one + "/groups.damaged/1/what-it-had")) << calls << " " << one;
    }

    // Nothing is left to be done: the next start is one like any other.
    const bool is_over = !read_rejoin_note(fs_, config_.data_dir).value();
    if (!went_through) {
      const Result<bool> again = start(fs_);
      ASSERT_TRUE(again && *again) << calls << (again ? "" : again.error().message);
    }
    const Identity now = identity();
    EXPECT_NE(now.node, kOldId);
    EXPECT_EQ(now.cluster, kOwn);
    EXPECT_EQ(cluster.members(),
              (std::map<uint64_t, std::string>{{8, "n2"}, {now.node.value, "n1"}}))
        << "one id, and the old one is gone: " << calls;
    EXPECT_EQ(read_rejoin_note(fs_, config_.data_dir).value(), std::nullopt);
    for (const std::string& one : data_folders()) {
      EXPECT_EQ(files::exists(one + "/groups.damaged/1/what-it-had"), went_through || !is_over)
          << calls << " " << one;
      EXPECT_FALSE(files::exists(one + "/groups/1/what-it-had")) << calls << " " << one;
    }
    EXPECT_TRUE(files::exists(
        places_of(config_, DataDirectory::open(fs_, config_.data_dir, "", NodeId{99}, "x").value())
            .log));
  }
  EXPECT_GT(calls, 20u) << "as many steps were ended before";
}

TEST_P(EntranceTest, ThatItComesBackIsTold) {
  OneOfTheCluster cluster;
  become_member();
  lose_vote(cluster.url());
  ASSERT_TRUE(start(fs_).value());
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[0].text, "n1 comes back as another node: lost");
  const std::vector<std::pair<std::string, Event::Value>> leaves = {
      {"change", "leaves"}, {"member", "n1"}, {"id", "0000000000000007"}};
  EXPECT_EQ(told_[0].fields, leaves);
  const std::string id = fmt::format("{:016x}", identity().node.value);
  const std::vector<std::pair<std::string, Event::Value>> returns = {
      {"change", "returns"}, {"member", "n1"}, {"id", id}};
  EXPECT_EQ(told_[1].fields, returns);
  for (const Event& event : told_) EXPECT_EQ(event.kind, EventKind::kMembership);
}

TEST_P(EntranceTest, WhoWasRemovedByOthersStaysOut) {
  OneOfTheCluster cluster;
  cluster.forget(kOldId);
  become_member();
  lose_vote(cluster.url());
  EXPECT_FALSE(start(fs_).value());
  EXPECT_TRUE(identity().removed);
  EXPECT_EQ(cluster.members().size(), 1u);
  for (const std::string& one : data_folders())
    EXPECT_TRUE(files::exists(one + "/groups/1/what-it-had")) << "nothing is put aside";
}

TEST_P(EntranceTest, WhatLiesAsideGoesAtALaterStart) {
  become_member();
  for (const std::string& one : data_folders())
    files::rename(one + "/groups", one + "/groups.damaged");
  EXPECT_TRUE(start(fs_).value());
  for (const std::string& one : data_folders())
    EXPECT_FALSE(files::exists(one + "/groups.damaged")) << one;
}

INSTANTIATE_TEST_SUITE_P(Logs, EntranceTest, testing::Bool(), [](const auto& logs) {
  return logs.param ? "InAFolderOfTheirOwn" : "BesideTheState";
});

// It only takes room. (A folder that leads to itself is one where nothing can be removed.)
TEST(EntranceAside, WhatCannotBeRemovedKeepsNobodyFromStarting) {
  std::string top = "entrance-XXXXXX";
  ASSERT_NE(::mkdtemp(top.data()), nullptr);
  files::create_directory_symlink("loop", top + "/loop");
  PosixFileSystem fs;
  auto directory = DataDirectory::open(fs, top + "/data", "n1", kOldId, "x");
  ASSERT_TRUE(directory && directory->enter(fs, {.cluster = kOwn, .members = {}}));
  Config config;
  config.data_dir = top + "/data";
  config.log_dir = top + "/loop";
  EXPECT_FALSE(remove_what_lies_aside(config));
  net::io_context loop{1};
  TcpTransport transport(loop, hello_of(config, directory->identity()), Random(1));
  const SystemClock clock;
  const TellEvent tell = log_event;
  EXPECT_TRUE(Entrance(config, {}, {loop, transport, clock, fs, *directory, tell}, Random(1))
                  .pass()
                  .value());
  files::remove_all(top);
}

}  // namespace
}  // namespace holdfast
