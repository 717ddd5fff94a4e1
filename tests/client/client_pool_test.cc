#include "client/client_pool.h"

#include <atomic>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;

TEST(ClientPool, GivesTheClientUsedLastAgain) {
  ScriptedServer server(
      {{Kind::kAnswer, http_answer(200, "a")}, {Kind::kAnswer, http_answer(200, "b")}});
  ClientPool pool({.endpoints = {server.endpoint()}}, 4);
  EXPECT_EQ(pool.take()->get("k")->bytes, "a");
  EXPECT_EQ(pool.take()->get("k")->bytes, "b");
  EXPECT_EQ(pool.made(), 1u);
  EXPECT_EQ(server.connections(), 1u) << "the connection stays open";
}

TEST(ClientPool, EachThreadHasOneForItselfAndThereAreNoMoreThanAllowed) {
  ClientPool pool({.endpoints = {closed_endpoint()}}, 3);
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 200; ++turn) {
        const ClientPool::Taken client = pool.take();
        const int now = ++at_once;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
        std::this_thread::yield();
        --at_once;
      }
    });
  threads.clear();
  EXPECT_LE(most, 3);
  EXPECT_LE(pool.made(), 3u);
}

TEST(FindMembers, TheLeaderComesFirstAndWhoHasNoUrlNotAtAll) {
  const std::string view = R"({"cluster_id":"1","leader":"n2","term":1,"quorum":true,
    "node":{"name":"n1","role":"follower","term":1,"commit_index":1,"applied_index":1,"durable_index":1,
            "revision":1,"state_hash":"","state_hash_index":0,"fenced":null},
    "members":[{"name":"n1","id":"1","role":"follower","voter":true,"peer":"h1:1","client_url":"http://h1:1"},
               {"name":"n2","id":"2","role":"leader","voter":true,"peer":"h2:1","client_url":"http://h2:1"},
               {"name":"n3","id":"3","role":"learner","voter":false,"peer":"h3:1","client_url":null}],
    "warning":null})";
  ScriptedServer server({{Kind::kAnswer, http_answer(200, view)}});
  KvClient client = make_kv_client({.endpoints = {server.endpoint()}});
  const auto members = find_members(client);
  ASSERT_TRUE(members) << members.error().message;
  EXPECT_EQ(*members, (std::vector<Endpoint>{{"h2", 1}, {"h1", 1}}));
}

TEST(FindMembers, NobodyThereIsARefusal) {
  KvClient client = make_kv_client({.endpoints = {closed_endpoint()}});
  EXPECT_EQ(find_members(client).error().code, "unreachable");
}

}  // namespace
}  // namespace holdfast
