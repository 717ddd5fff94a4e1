// What was: the versions of a key, a read of the past, what a prefix takes, and forgetting.

#include <cstdio>

#include "client/kv_client.h"

using holdfast::CompactAnswer;
using holdfast::KvClient;
using holdfast::make_kv_client;
using holdfast::Moment;
using holdfast::parse_endpoints;
using holdfast::PutAnswer;

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  KvClient client = make_kv_client({.endpoints = *endpoints});
  const auto first = client.put("examples/past", "one");
  const auto second = client.put("examples/past", "two");
  const auto* then = std::get_if<PutAnswer>(&first);
  const auto* now = std::get_if<PutAnswer>(&second);
  if (then == nullptr || now == nullptr) return std::fprintf(stderr, "it was not stored\n"), 1;

  const Moment moment{.revision = then->revision};
  const auto was = client.get("examples/past", moment);
  if (!was) return std::fprintf(stderr, "%s\n", was.error().message.c_str()), 1;
  std::printf("at revision %llu it was %s\n", static_cast<unsigned long long>(then->revision),
              was->bytes.c_str());
  const auto history = client.history("examples/past", {}, 2);
  const auto usage = client.usage("examples/past");
  const auto settings = client.settings();
  if (!history || !usage || !settings) return std::fprintf(stderr, "it cannot be read\n"), 1;
  for (const auto& version : history->versions)
    std::printf("a version: %s\n", version.value.c_str());
  std::printf("%llu key; the past is kept for %s\n", static_cast<unsigned long long>(usage->keys),
              settings->keep_history.c_str());

  // From here on nobody can read what was before.
  if (!std::holds_alternative<CompactAnswer>(client.compact(now->revision))) return 1;
  const auto forgotten = client.get("examples/past", moment);
  std::printf("and then it is %s\n", forgotten ? "still there" : "forgotten");
  return !forgotten && forgotten.error().code == "compacted" ? 0 : 1;
}
