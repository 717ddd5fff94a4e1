#include "server/bootstrap.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

const std::vector<InitialMember> kThree = {{"n1", "h1:4654"}, {"n2", "h2:4654"}, {"n3", "h3:4654"}};

Hello hello(uint64_t node, ClusterId cluster = {}) {
  return {kPeerProtocol, cluster, NodeId{node * 1000}, "n" + std::to_string(node),
          "h" + std::to_string(node) + ":4654"};
}

Result<Entered> form(uint64_t self, const std::vector<Hello>& others,
                     const std::vector<InitialMember>& members = kThree) {
  Result<Bootstrap> bootstrap = Bootstrap::begin(members, hello(self));
  EXPECT_TRUE(bootstrap.has_value());
  for (const Hello& other : others) {
    const auto listed = std::ranges::find(members, other.name, &InitialMember::name);
    EXPECT_TRUE(bootstrap->hear(*listed, other).has_value());
  }
  return bootstrap->form();
}

TEST(Bootstrap, AllMembersComputeTheSameCluster) {
  const auto one = form(1, {hello(2), hello(3)});
  const auto two = form(2, {hello(3), hello(1)});
  const auto three = form(3, {hello(1), hello(2)});
  ASSERT_TRUE(one && two && three);
  EXPECT_EQ(one->cluster, two->cluster);
  EXPECT_EQ(two->cluster, three->cluster);
  EXPECT_EQ(one->members, three->members);
  EXPECT_EQ(one->members.voters().size(), 3u);
}

// A proxy may stand between: each node lists the others as it sees them.
TEST(Bootstrap, AddressesAsSeenFromOneNodeDoNotSplitTheCluster) {
  const auto one = form(1, {hello(2), hello(3)});
  const auto two =
      form(2, {hello(1), hello(3)}, {{"n1", "proxy:1"}, {"n2", "h2:4654"}, {"n3", "proxy:3"}});
  EXPECT_EQ(one->cluster, two->cluster);
  EXPECT_EQ(one->members, two->members);
}

TEST(Bootstrap, WaitsForEveryListedMember) {
  Result<Bootstrap> bootstrap = Bootstrap::begin(kThree, hello(1));
  ASSERT_TRUE(bootstrap->hear(kThree[2], hello(3)).has_value());
  EXPECT_EQ(bootstrap->silent(), std::vector<InitialMember>{kThree[1]});
}

// Its crash fell between the others' forming and its own: their cluster is made of its id.
TEST(Bootstrap, AMemberThatWasLateFormsTheSameCluster) {
  const ClusterId formed = form(1, {hello(2), hello(3)})->cluster;
  const auto late = form(3, {hello(1, formed), hello(2, formed)});
  ASSERT_TRUE(late.has_value()) << late.error().message;
  EXPECT_EQ(late->cluster, formed);
}

// It may have voted under its old id; the others' cluster does not know the new one.
TEST(Bootstrap, AnEmptiedMemberIsRefusedAndToldToJoin) {
  const ClusterId formed = form(1, {hello(2), hello(3)})->cluster;
  Hello emptied = hello(3);
  emptied.node = NodeId{3001};
  Result<Bootstrap> bootstrap = Bootstrap::begin(kThree, emptied);
  ASSERT_TRUE(bootstrap->hear(kThree[0], hello(1, formed)).has_value());
  ASSERT_TRUE(bootstrap->hear(kThree[1], hello(2, formed)).has_value());
  const auto outcome = bootstrap->form();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_NE(outcome.error().message.find("--join"), std::string::npos);
}

TEST(Bootstrap, RefusesAWrongNameOrTheSameNodeTwice) {
  Result<Bootstrap> bootstrap = Bootstrap::begin(kThree, hello(1));
  EXPECT_FALSE(bootstrap->hear(kThree[1], hello(3)).has_value());
  Hello twin = hello(2);
  twin.node = hello(1).node;
  ASSERT_TRUE(bootstrap->hear(kThree[1], twin).has_value());
  ASSERT_TRUE(bootstrap->hear(kThree[2], hello(3)).has_value());
  EXPECT_FALSE(bootstrap->form().has_value());
  EXPECT_FALSE(Bootstrap::begin(kThree, hello(4)).has_value());
}

TEST(InitialCluster, IsReadOrRefusedWithTheItem) {
  EXPECT_EQ(*parse_initial_cluster("n1=h1:4654,n2=h2:4654,n3=h3:4654"), kThree);
  for (const char* wrong :
       {"n1", "=h:1", "n1=h", "n1=h:1,n1=h:2", "n1=h:1,n2=h:1", "n1=h:1,,n2=h:2"})
    EXPECT_FALSE(parse_initial_cluster(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace holdfast
