// Put, get, delete, and the three ways in which a write can end.

#include <cstdio>

#include "client/client_pool.h"

using holdfast::DeleteAnswer;
using holdfast::Endpoint;
using holdfast::find_members;
using holdfast::KvClient;
using holdfast::make_kv_client;
using holdfast::parse_endpoints;
using holdfast::PutAnswer;
using holdfast::Refusal;
using holdfast::Unknown;

namespace {

// A write was done, was certainly not done, or nobody knows: the compiler asks for all three.
struct Told {
  int operator()(const PutAnswer& answer) const {
    std::printf("stored in revision %llu\n", static_cast<unsigned long long>(answer.revision));
    return 0;
  }
  int operator()(const Refusal& refusal) const {
    std::printf("certainly not stored: %s (%s)\n", refusal.message.c_str(), refusal.code.c_str());
    return 1;
  }
  int operator()(const Unknown& unknown) const {
    std::printf("stored or not, look at the key to know: %s\n", unknown.message.c_str());
    return 2;
  }
};

}  // namespace

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  KvClient client = make_kv_client({.endpoints = *endpoints});

  if (const int failed = std::visit(Told{}, client.put("examples/greeting", "hello")); failed != 0)
    return failed;
  // Only if nobody has changed it meanwhile.
  const auto read = client.get("examples/greeting");
  if (!read) return std::fprintf(stderr, "%s\n", read.error().message.c_str()), 1;
  std::printf("it says %s\n", read->bytes.c_str());
  const std::string unchanged = "\"" + std::to_string(read->mod_revision) + "\"";
  std::visit(Told{}, client.put("examples/greeting", "hello again", {.if_match = unchanged}));
  std::visit(Told{}, client.put("examples/greeting", "too late", {.if_match = unchanged}));

  if (const auto members = find_members(client))
    for (const Endpoint& member : *members) std::printf("a member: %s\n", member.url().c_str());
  const auto removed = client.remove("examples/greeting");
  return std::holds_alternative<DeleteAnswer>(removed) ? 0 : 1;
}
