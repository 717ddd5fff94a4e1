#include "server/data_directory.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

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
    return DataDirectory::open(fs_, root_ + "/data", name, NodeId{node});
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
  EXPECT_EQ(open("n2", 7)->identity(), (Identity{NodeId{7}, "n2", {}}));
  EXPECT_EQ(open("n2", 8)->identity().node, NodeId{7});
  EXPECT_EQ(open("", 9)->identity().name, "n2");
}

TEST_F(DataDirectoryTest, TheClusterIsKeptOnceItHasFormed) {
  ASSERT_TRUE(open("n1", 7)->form(fs_, ClusterId{0xabc}).has_value());
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
  ASSERT_TRUE(open("n1", 7)->form(fs_, ClusterId{5}).has_value());
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

// Data without a name may have voted; a new name beside it would let it vote twice.
TEST_F(DataDirectoryTest, DataWithoutAnIdentityIsRefused) {
  ASSERT_TRUE(open("n1", 7).has_value());
  ASSERT_TRUE(fs_.create_directories(root_ + "/data/groups/1").has_value());
  ASSERT_TRUE(fs_.remove(root_ + "/data/IDENTITY").has_value());
  EXPECT_FALSE(open("n1", 8).has_value());
}

}  // namespace
}  // namespace holdfast
