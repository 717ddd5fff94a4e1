// Who is there: a key that is bound to a lease is gone when its owner is, without anybody's help.

#include <cstdio>
#include <string>

#include "client/kv_client.h"

using holdfast::KvClient;
using holdfast::LeaseAnswer;
using holdfast::make_kv_client;
using holdfast::parse_endpoints;
using holdfast::PutAnswer;

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  KvClient client = make_kv_client({.endpoints = *endpoints});

  const auto granted = client.grant_lease(std::chrono::seconds(30));
  const auto* lease = std::get_if<LeaseAnswer>(&granted);
  if (lease == nullptr) return std::fprintf(stderr, "no lease was had\n"), 1;
  const auto put = client.put("examples/here/me", "since today", {}, {.lease = lease->id});
  if (!std::holds_alternative<PutAnswer>(put)) return 1;

  // As long as it goes on, again every few seconds.
  const auto kept = client.keep_lease_alive(lease->id);
  if (!std::holds_alternative<LeaseAnswer>(kept)) return 1;
  const auto seen = client.lease(lease->id);
  if (!seen) return std::fprintf(stderr, "%s\n", seen.error().message.c_str()), 1;
  std::printf("%zu key lives as long as the lease\n", seen->keys.size());

  // Or nobody keeps it alive: then it ends by itself, 30 s later.
  client.revoke_lease(lease->id);
  const auto gone = client.get("examples/here/me");
  std::printf("with the lease its key is %s\n", gone ? "still there" : "gone");
  return !gone && gone.error().status == 404 ? 0 : 1;
}
