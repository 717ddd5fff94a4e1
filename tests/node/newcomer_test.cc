#include "server/newcomer.h"

#include <csignal>

#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

namespace net = boost::asio;

class NewcomerTest : public testing::Test {
 protected:
  NewcomerTest() {
    // A node listens, so its loop never runs out of work.
    const Result<> listening = transport_.listen("127.0.0.1:" + std::to_string(port_));
    EXPECT_TRUE(listening.has_value());
  }

  Result<std::optional<Entered>> join(const std::string& url) {
    Newcomer newcomer(loop_, transport_, clock_, Random(2));
    return newcomer.join({url}, {.node = NodeId{7},
                                 .name = "n4",
                                 .peer_address = "h4:1",
                                 .client_url = "http://h4:2",
                                 .stays_learner = false});
  }

  SystemClock clock_;
  net::io_context loop_{1};
  uint16_t port_ = closed_endpoint().port;
  TcpTransport transport_{loop_, Hello{kPeerProtocol, {}, NodeId{7}, "n4", "h4:1"}, Random(1)};
};

TEST_F(NewcomerTest, IsTakenInWhileTheLoopRuns) {
  ScriptedServer server(
      {{Step::Kind::kAnswer, http_answer(201,
                                         R"({"cluster_id":"0000000000000abc","members":[
      {"name":"n4","id":"0000000000000007","peer":"h4:1","voter":false}]})")}});
  const auto entered = join(server.endpoint().url());
  ASSERT_TRUE(entered.has_value() && *entered);
  EXPECT_EQ((*entered)->cluster, ClusterId{0xabc});
  EXPECT_FALSE(loop_.stopped()) << "the node goes on with it";
}

TEST_F(NewcomerTest, HearsWhyItIsNotTakenIn) {
  ScriptedServer server({{Step::Kind::kAnswer, problem_answer(409, "conflict", "x", false)}});
  EXPECT_FALSE(join(server.endpoint().url()).has_value());
}

TEST_F(NewcomerTest, ASignalEndsItsAsking) {
  net::steady_timer timer(loop_, std::chrono::milliseconds(20));
  timer.async_wait([](boost::system::error_code) { ::raise(SIGTERM); });
  const auto entered = join(closed_endpoint().url());
  ASSERT_TRUE(entered.has_value());
  EXPECT_FALSE(*entered);
}

TEST_F(NewcomerTest, ASignalEndsItsForming) {
  net::steady_timer timer(loop_, std::chrono::milliseconds(20));
  timer.async_wait([](boost::system::error_code) { ::raise(SIGTERM); });
  Newcomer newcomer(loop_, transport_, clock_, Random(2));
  const auto entered = newcomer.form({{"n4", "h4:1"}, {"n5", closed_endpoint().authority()}},
                                     {kPeerProtocol, {}, NodeId{7}, "n4", "h4:1"});
  ASSERT_TRUE(entered.has_value());
  EXPECT_FALSE(*entered);
}

TEST_F(NewcomerTest, AloneItFormsAClusterAtOnce) {
  Newcomer newcomer(loop_, transport_, clock_, Random(2));
  const auto entered = newcomer.form({}, {kPeerProtocol, {}, NodeId{7}, "n4", "h4:1"});
  ASSERT_TRUE(entered.has_value() && *entered);
  EXPECT_EQ((*entered)->members.list.size(), 1u);
}

}  // namespace
}  // namespace holdfast
