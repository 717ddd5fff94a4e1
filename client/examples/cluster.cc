// The cluster itself: who leads, a planned change of that, and what a node tells of it.

#include <cstdio>

#include "client/kv_client.h"

using holdfast::EventsPlace;
using holdfast::KvClient;
using holdfast::LeaderAnswer;
using holdfast::make_kv_client;
using holdfast::NodeEvent;
using holdfast::parse_endpoints;

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  KvClient client = make_kv_client({.endpoints = *endpoints});
  const auto view = client.cluster();
  if (!view) return std::fprintf(stderr, "%s\n", view.error().message.c_str()), 1;
  std::printf("%zu members\n", view->members.size());

  // Before work on the leader's machine: any other takes over, and no request fails.
  const auto moved = client.move_leader("");
  const auto* next = std::get_if<LeaderAnswer>(&moved);
  if (next == nullptr) return std::fprintf(stderr, "nobody took over\n"), 1;
  std::printf("%s leads now, %s\n", next->leader.c_str(),
              next->leader != view->leader ? "another than before" : "as before");

  // Each node tells what it sees itself: what it keeps of it, and then what comes.
  KvClient of_one = make_kv_client({.endpoints = {endpoints->front()}});
  EventsPlace place;
  const auto followed = of_one.follow_events(
      place, [&](const NodeEvent* event) { return event == nullptr || event->term < next->term; });
  if (!followed) return std::fprintf(stderr, "%s\n", followed.error().message.c_str()), 1;
  std::printf("the first node has seen that term\n");
  return 0;
}
