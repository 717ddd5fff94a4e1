// What this node does wrong on purpose, as it is asked for and shown.

#include "server/faults.h"

#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"
#include "tests/sim/sim_file_system.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kFaults = "/v1/faults";
const Json kNone = {{"links", Json::array()}, {"disk", Json::object()}, {"clock", Json::object()}};

struct NoTransport final : Transport {
  void send(std::vector<raft::Envelope> /*envelopes*/) override {}
};

class FaultsApi : public ApiTest {
 protected:
  FaultsApi() {
    faults_.stand_before(transport_, [](const raft::Envelope&) {}, Random(1));
    faults_.tell({.clock_changed = [this] { ++clock_changes_; },
                  .cut_off = [this](NodeId peer) { cut_off_.push_back(peer); }});
    services.faults = &faults_;
    status.members.list = {{{7}, "n1", "127.0.0.1:1", true},
                           {{8}, "n2", "127.0.0.1:2", true},
                           {{9}, "n3", "127.0.0.1:3", true}};
    publish(status);
  }

  Json put(const std::string& body) {
    const http::Response response = call("PUT", kFaults, body);
    EXPECT_EQ(response.status, 200) << body << response.body;
    return json_of(response);
  }
  // What is wrong with it; nothing of it is set.
  std::string refusal(const std::string& body) {
    const http::Response response = call("PUT", kFaults, body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_FALSE(faults_.now().any()) << body;
    return json_of(response).value("detail", "");
  }

  boost::asio::io_context drill_loop_;
  SimFileSystem fs_{1};
  NoTransport transport_;
  Faults faults_{drill_loop_, clock, fs_};
  int clock_changes_ = 0;
  std::vector<NodeId> cut_off_;
};

TEST_F(FaultsApi, AreThereOnlyWhereTheFlagIs) {
  services.faults = nullptr;
  for (const char* method : {"GET", "PUT", "DELETE"}) {
    const http::Response response = call(method, kFaults);
    EXPECT_EQ(response.status, 404) << method;
    EXPECT_EQ(code_of(response), "not_found");
    EXPECT_THAT(response.body, HasSubstr("--enable-faults"));
  }
  EXPECT_EQ(json_of(call("GET", "/v1/cluster")).at("node").at("faults"), false);
}

TEST_F(FaultsApi, WhatIsSetIsShownAndTakenAgain) {
  EXPECT_EQ(json_of(call("GET", kFaults)),
            (Json{{"faults", kNone}, {"since", nullptr}, {"warning", nullptr}}));
  const std::string all =
      R"({"links":[{"peer":"n2","direction":"out","delay":"50ms","loss":0.1},)"
      R"({"peer":"n2","direction":"in","cut":true},{"peer":"n3","direction":"both","cut":true}],)"
      R"("disk":{"stall":true,"full":true},"clock":{"wall_jump":"-1h","rate":1.5}})";
  const Json shown = put(all);
  EXPECT_EQ(shown.at("faults"), Json::parse(all));
  EXPECT_EQ(shown.at("since"), "2023-11-14T22:13:20.000Z") << "by the machine's own calendar";
  EXPECT_EQ(json_of(call("GET", kFaults)), shown);
  clock.advance(std::chrono::seconds(5));
  EXPECT_EQ(put(shown.at("faults").dump()), shown) << "the same again is no change";
  const Json other = put(R"({"disk":{"delay":"100ms","fail_sync":true}})");
  EXPECT_EQ(other.at("faults").at("links"), Json::array());
  EXPECT_EQ(other.at("faults").at("disk"), (Json{{"delay", "100ms"}, {"fail_sync", true}}));
  EXPECT_EQ(other.at("since"), "2023-11-14T22:13:25.000Z");
}

TEST_F(FaultsApi, EachReachesItsPart) {
  put(R"({"links":[{"peer":"n2","direction":"out","cut":true}],"disk":{"full":true},
          "clock":{"wall_jump":"1h","rate":2}})");
  EXPECT_TRUE(faults_.cuts_off(NodeId{8}));
  EXPECT_FALSE(faults_.cuts_off(NodeId{9}));
  EXPECT_THAT(cut_off_, ElementsAre(NodeId{8}));
  EXPECT_EQ(faults_.files().space("dir")->free, 0u);
  EXPECT_EQ(faults_.disk().free(), 0u);
  EXPECT_EQ(faults_.clock().wall(), clock.wall() + std::chrono::hours(1));
  EXPECT_EQ(clock_changes_, 1);
  const Instant before = faults_.clock().now();
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(faults_.clock().now(), before + std::chrono::seconds(2));
  EXPECT_EQ(call("DELETE", kFaults).status, 200);
  EXPECT_FALSE(faults_.cuts_off(NodeId{8}));
  EXPECT_EQ(faults_.disk().free(), std::nullopt);
  EXPECT_EQ(faults_.clock().wall(), clock.wall());
  EXPECT_EQ(clock_changes_, 2);
}

// Who stops does not wait for a disk; what is asked for meanwhile must not begin that again.
TEST_F(FaultsApi, ADiskThatWasLetGoForAStopStaysSo) {
  put(R"({"disk":{"full":true}})");
  faults_.let_disk_go();
  EXPECT_EQ(faults_.disk().free(), std::nullopt);
  put(R"({"disk":{"full":true,"delay":"1s"}})");
  EXPECT_EQ(faults_.disk().free(), std::nullopt);
}

TEST_F(FaultsApi, OfTheEndOfWhoIsCutOffNothingIsHeard) {
  put(R"({"links":[{"peer":"n2","direction":"in","cut":true},{"peer":"n3","delay":"1ms"}]})");
  EXPECT_FALSE(faults_.lets_hear_of_end(NodeId{8}));
  EXPECT_TRUE(faults_.lets_hear_of_end(NodeId{9}));
  EXPECT_EQ(call("DELETE", kFaults).status, 200);
  EXPECT_TRUE(faults_.lets_hear_of_end(NodeId{8}));
}

TEST_F(FaultsApi, TheClusterPageTellsOfThem) {
  put(R"({"links":[{"peer":"n2","cut":true},{"peer":"n3","direction":"in","loss":0.5}],
          "disk":{"stall":true},"clock":{"wall_jump":"-1h"}})");
  const Json page = json_of(call("GET", "/v1/cluster"));
  EXPECT_EQ(page.at("node").at("faults"), true);
  EXPECT_EQ(page.at("warning"),
            "faults are set on this node: the link to n2 is cut, 0.5 of the messages from n3 are "
            "lost, the disk is stalled, the calendar is 1h behind (DELETE /v1/faults ends them)");
  EXPECT_EQ(json_of(call("DELETE", kFaults)).at("faults"), kNone);
  EXPECT_EQ(json_of(call("GET", "/v1/cluster")).at("node").at("faults"), false);
  EXPECT_TRUE(json_of(call("GET", "/v1/cluster")).at("warning").is_null());
}

TEST_F(FaultsApi, WhatMakesNoSenseIsRefusedAndNamed) {
  for (const auto& [body, names] : std::vector<std::pair<std::string, std::string>>{
           {"", "the body"},
           {"[]", "the body"},
           {R"({"net":{}})", "net: "},
           {R"({"links":{}})", "links: "},
           {R"({"links":[{"cut":true}]})", "links[0].peer: "},
           {R"({"links":[{"peer":"n9","cut":true}]})", "links[0].peer: no member has the name"},
           {R"({"links":[{"peer":"n1","cut":true}]})", "links[0].peer: n1 is this node"},
           {R"({"links":[{"peer":"n2"}]})", "links[0]: "},
           {R"({"links":[{"peer":"n2","cut":false}]})", "links[0]: "},
           {R"({"links":[{"peer":"n2","cut":1}]})", "links[0].cut: "},
           {R"({"links":[{"peer":"n2","cut":true,"speed":1}]})", "links[0].speed: "},
           {R"({"links":[{"peer":"n2","cut":true,"loss":0.5}]})", "links[0].cut: "},
           {R"({"links":[{"peer":"n2","cut":true,"delay":"1ms"}]})", "links[0].cut: "},
           {R"({"links":[{"peer":"n2","direction":"up","cut":true}]})", "links[0].direction: "},
           {R"({"links":[{"peer":"n2","loss":0}]})", "links[0].loss: "},
           {R"({"links":[{"peer":"n2","loss":1}]})", "links[0].loss: "},
           {R"({"links":[{"peer":"n2","loss":"much"}]})", "links[0].loss: "},
           {R"({"links":[{"peer":"n2","delay":"0ms"}]})", "links[0].delay: "},
           {R"({"links":[{"peer":"n2","delay":"61s"}]})", "links[0].delay: "},
           {R"({"links":[{"peer":"n2","cut":true},{"peer":"n2","direction":"in","loss":0.5}]})",
            "links[1]: "},
           {R"({"disk":true})", "disk: "},
           {R"({"disk":{"slow":true}})", "disk.slow: "},
           {R"({"disk":{"delay":50}})", "disk.delay: "},
           {R"({"disk":{"stall":true,"delay":"1s"}})", "disk.stall: "},
           {R"({"disk":{"stall":true,"fail_sync":true}})", "disk.stall: "},
           {R"({"clock":{"wall_jump":"soon"}})", "clock.wall_jump: "},
           {R"({"clock":{"wall_jump":"--1h"}})", "clock.wall_jump: "},
           {R"({"clock":{"wall_jump":"8761h"}})", "clock.wall_jump: "},
           {R"({"clock":{"rate":0}})", "clock.rate: "},
           {R"({"clock":{"rate":-1}})", "clock.rate: "},
           {R"({"clock":{"rate":11}})", "clock.rate: "},
           {R"({"disk":{"full":true},"clock":{"rate":"fast"}})", "clock.rate: "}})
    EXPECT_THAT(refusal(body), testing::StartsWith(names)) << body;
}

TEST_F(FaultsApi, WhatTheCallsDoNotTakeIsRefused) {
  EXPECT_EQ(call("PUT", kFaults, R"({"disk":{"full":true}})", {{"Idempotency-Key", "a"}}).status,
            400);
  EXPECT_EQ(call("PUT", kFaults + "?peer=n2", R"({"disk":{"full":true}})").status, 400);
  EXPECT_EQ(call("DELETE", kFaults, "{}").status, 400);
  EXPECT_EQ(call("POST", kFaults, "{}").status, 405);
  EXPECT_FALSE(faults_.now().any());
  EXPECT_THAT(cut_off_, IsEmpty());
}

}  // namespace
}  // namespace holdfast
