// Work that one program at a time may do, guarded twice: by a lock, and by its fencing token where
// the work is stored, so that a holder that stood still past its lease changes nothing.

#include "client/lock.h"

#include <atomic>
#include <cstdio>
#include <string>

#include "client/kv_client.h"

using holdfast::KvClient;
using holdfast::Lock;
using holdfast::LockOptions;
using holdfast::make_kv_client;
using holdfast::parse_endpoints;
using holdfast::TxnAnswer;

namespace {

// Tokens are compared as text, so all are of one width.
std::string as_text(uint64_t token) {
  const std::string digits = std::to_string(token);
  return std::string(20 - digits.size(), '0') + digits;
}

// Stores `value`, unless somebody with a newer token was there: then it says false.
bool store_guarded(KvClient& client, uint64_t token, const std::string& value) {
  const std::string mine = as_text(token);
  const auto outcome =
      client.transact(R"({"if":[{"key":"examples/guard","target":"value","op":"<=","value":")" +
                      mine + R"("}],"then":[{"put":{"key":"examples/guard","value":")" + mine +
                      R"("}},{"put":{"key":"examples/guarded","value":")" + value + R"("}}]})");
  const auto* answer = std::get_if<TxnAnswer>(&outcome);
  return answer != nullptr && answer->has_succeeded;
}

}  // namespace

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  KvClient client = make_kv_client({.endpoints = *endpoints});
  client.put("examples/guard", as_text(0), {.if_none_match = "*"});

  std::atomic<bool> is_lost = false;
  LockOptions options{.cluster = {.endpoints = *endpoints}, .name = "examples", .owner = "me"};
  options.wait = std::chrono::seconds(30);
  auto outcome = Lock::acquire(options, [&](const std::string& why) {
    std::fprintf(stderr, "stop: %s\n", why.c_str());
    is_lost = true;
  });
  auto* lock = std::get_if<std::unique_ptr<Lock>>(&outcome);
  if (lock == nullptr) return std::fprintf(stderr, "the lock was not had\n"), 1;

  // It is kept alive meanwhile, however long this takes.
  const bool is_stored = !is_lost && store_guarded(client, (*lock)->token(), "by its holder");
  std::printf("the holder's change was %s\n", is_stored ? "made" : "refused");
  const bool is_late_refused = !store_guarded(client, (*lock)->token() - 1, "by an older one");
  std::printf("an older holder's change was %s\n", is_late_refused ? "refused" : "made");
  (*lock)->release();
  return is_stored && is_late_refused ? 0 : 1;
}
