#include "server/data_directory.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "storage/base/bytes.h"
#include "storage/fs/posix.h"

namespace holdfast {
namespace {

class DataDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "data-directory-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Result<DataDirectory> open(const std::string& name, uint64_t node) {
    return DataDirectory::open(fs_, root_ + "/data", name, NodeId{node}, "n-a");
  }
  std::string read_identity() const {
    std::ifstream in(root_ + "/data/IDENTITY");
    std::stringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  }
  void write_identity(const std::string& bytes) const {
    std::ofstream(root_ + "/data/IDENTITY", std::ios::trunc) << bytes;
  }

  PosixFileSystem fs_;
  std::string root_;
};

TEST_F(DataDirectoryTest, KeepsItsFirstIdentityForEver) {
  EXPECT_EQ(open("n2", 7)->identity(), (Identity{.node = NodeId{7}, .name = "n2"}));
  EXPECT_EQ(open("n2", 8)->identity().node, NodeId{7});
  EXPECT_EQ(open("", 9)->identity().name, "n2");
}

TEST_F(DataDirectoryTest, WhoIsGivenNoNameGetsOne) {
  EXPECT_EQ(open("", 7)->identity().name, "n-a");
  EXPECT_FALSE(open("n1", 7).has_value());
}

TEST_F(DataDirectoryTest, TheClusterIsKeptOnceItHasFormed) {
  ASSERT_TRUE(open("n1", 7)->enter(fs_, {ClusterId{0xabc}, {}}).has_value());
  EXPECT_EQ(open("n1", 8)->identity().cluster, ClusterId{0xabc});
}

TEST_F(DataDirectoryTest, AnotherNameIsRefused) {
  ASSERT_TRUE(open("n1", 7).has_value());
  const auto other = open("n2", 7);
  ASSERT_FALSE(other.has_value());
  EXPECT_NE(other.error().message.find("belongs to node n1"), std::string::npos);
}

TEST_F(DataDirectoryTest, ASecondProcessIsRefusedWhileTheFirstLives) {
  {
    const auto first = open("n1", 7);
    ASSERT_TRUE(first.has_value());
    const auto second = open("n1", 7);
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().message.find("another process"), std::string::npos);
  }
  EXPECT_TRUE(open("n1", 7).has_value());
}

TEST_F(DataDirectoryTest, NoFlippedByteOfTheIdentityIsBelieved) {
  ASSERT_TRUE(open("n1", 7)->enter(fs_, {ClusterId{5}, {}}).has_value());
  const std::string sound = read_identity();
  for (size_t at = 0; at < sound.size(); ++at) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_identity(damaged);
    EXPECT_FALSE(open("", 8).has_value()) << at;
    write_identity(sound.substr(0, at));
    EXPECT_FALSE(open("", 8).has_value()) << at;
  }
}

// The bytes of IDENTITY as another version would write them.
std::string identity_of_format(int format, const std::string& more) {
  const std::string line = fmt::format(
      R"({{"format":{},"node_id":"7","name":"n1","cluster_id":"abc","first_members":[],)"
      R"("removed":false{}}})",
      format, more);
  return line + "\n" + fmt::format("{:016x}", checksum(line)) + "\n";
}

TEST_F(DataDirectoryTest, ANewerFormatIsRefusedWithBothVersions) {
  ASSERT_TRUE(open("n1", 7).has_value());
  const std::string newer = identity_of_format(DataDirectory::kFormat + 1, R"(,"more":1)");
  write_identity(newer);
  const auto refused = open("n1", 7);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("has format 2, this version of holdfastd reads up to 1: "
                                         "start the newer version that wrote it"),
            std::string::npos)
      << refused.error().message;
  EXPECT_EQ(read_identity(), newer) << "nothing is changed";
}

TEST_F(DataDirectoryTest, AnOlderFormatIsRead) {
  ASSERT_TRUE(open("n1", 7).has_value());
  for (int format = 1; format <= DataDirectory::kFormat; ++format) {
    write_identity(identity_of_format(format, ""));
    const auto opened = open("", 8);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_EQ(opened->identity(), (Identity{.node = {7}, .name = "n1", .cluster = {0xabc}}));
  }
}

const Entered kEntered = {
    ClusterId{0xabc},
    {.list = {{NodeId{7}, "n1", "h1:4654", true}, {NodeId{UINT64_MAX}, "n2", "[::1]:4654", false}},
     .removed = {}}};

TEST_F(DataDirectoryTest, WhoBelongedToTheClusterIsKept) {
  ASSERT_TRUE(open("n1", 7)->enter(fs_, kEntered).has_value());
  EXPECT_EQ(open("n1", 8)->identity(), (Identity{.node = NodeId{7},
                                                 .name = "n1",
                                                 .cluster = kEntered.cluster,
                                                 .first_members = kEntered.members}));
}

TEST_F(DataDirectoryTest, ARemovalIsKept) {
  ASSERT_TRUE(open("n1", 7)->enter(fs_, kEntered).has_value());
  EXPECT_FALSE(open("n1", 8)->identity().removed);
  ASSERT_TRUE(open("n1", 8)->note_removal(fs_).has_value());
  EXPECT_TRUE(open("n1", 8)->identity().removed);
  EXPECT_EQ(open("n1", 8)->identity().first_members, kEntered.members);
}

// The disk's calls up to a point, and then none: what a crash there leaves behind.
class FailingFileSystem final : public FileSystem {
 public:
  FailingFileSystem(FileSystem& fs, int calls) : fs_(fs), left_(calls) {}

  Result<std::unique_ptr<File>> create(const std::string& path) override {
    return left_-- > 0 ? fs_.create(path) : broken();
  }
  Result<std::unique_ptr<File>> open(const std::string& path) override { return fs_.open(path); }
  Result<bool> exists(const std::string& path) const override { return fs_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    return fs_.list(path);
  }
  Result<> create_directories(const std::string& path) override {
    return left_-- > 0 ? fs_.create_directories(path) : broken();
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return left_-- > 0 ? fs_.rename(from, to) : broken();
  }
  Result<> remove(const std::string& path) override {
    return left_-- > 0 ? fs_.remove(path) : broken();
  }
  Result<> sync_directory(const std::string& path) override {
    return left_-- > 0 ? fs_.sync_directory(path) : broken();
  }
  Result<> remove_directory(const std::string& path) override {
    return left_-- > 0 ? fs_.remove_directory(path) : broken();
  }
  Result<DiskSpace> space(const std::string& path) const override { return fs_.space(path); }
  bool is_broken() const { return left_ < 0; }

 private:
  static std::unexpected<Error> broken() { return fail(ErrorCode::kIo, "the disk is gone"); }
  FileSystem& fs_;
  int left_;
};

TEST_F(DataDirectoryTest, ACrashLeavesTheOldIdentityOrTheNew) {
  ASSERT_TRUE(open("n1", 7).has_value());
  for (int calls = 0;; ++calls) {
    FailingFileSystem failing(fs_, calls);
    const Result<> entered = open("n1", 8)->enter(failing, kEntered);
    const Identity after = open("n1", 9)->identity();
    EXPECT_EQ(after.node, NodeId{7}) << calls;
    EXPECT_TRUE(after.cluster == kEntered.cluster || (!after.cluster && !entered)) << calls;
    EXPECT_EQ(after.first_members, after.cluster ? kEntered.members : raft::Members{}) << calls;
    if (!failing.is_broken()) break;
  }
  EXPECT_EQ(open("n1", 9)->identity().cluster, kEntered.cluster);
}

// Data without a name may have voted; a new name beside it would let it vote twice.
TEST_F(DataDirectoryTest, DataWithoutAnIdentityIsRefused) {
  ASSERT_TRUE(open("n1", 7).has_value());
  ASSERT_TRUE(fs_.create_directories(root_ + "/data/groups/1").has_value());
  ASSERT_TRUE(fs_.remove(root_ + "/data/IDENTITY").has_value());
  EXPECT_FALSE(open("n1", 8).has_value());
}

}  // namespace
}  // namespace holdfast
