// Money goes from one account to another, all of it or none, and never more than is there.

#include <cstdio>
#include <string>

#include "client/kv_client.h"

using holdfast::KvClient;
using holdfast::make_kv_client;
using holdfast::parse_endpoints;
using holdfast::ReadOutcome;
using holdfast::Refusal;
using holdfast::TxnAnswer;
using holdfast::Unknown;
using holdfast::Value;

namespace {

std::string put_of(const std::string& key, int amount) {
  return R"({"put":{"key":")" + key + R"(","value":")" + std::to_string(amount) + R"("}})";
}

std::string unchanged(const std::string& key, const Value& value) {
  return R"({"key":")" + key + R"(","target":"mod_revision","op":"==","value":)" +
         std::to_string(value.mod_revision) + "}";
}

// False: there is not enough, or it cannot be told.
bool transfer(KvClient& client, const std::string& from, const std::string& to, int amount) {
  for (;;) {
    const ReadOutcome<Value> ours = client.get(from);
    const ReadOutcome<Value> theirs = client.get(to);
    if (!ours || !theirs || std::stoi(ours->bytes) < amount) return false;
    const auto outcome =
        client.transact(R"({"if":[)" + unchanged(from, *ours) + "," + unchanged(to, *theirs) +
                        R"(],"then":[)" + put_of(from, std::stoi(ours->bytes) - amount) + "," +
                        put_of(to, std::stoi(theirs->bytes) + amount) + "]}");
    if (const auto* answer = std::get_if<TxnAnswer>(&outcome)) {
      if (answer->has_succeeded) return true;
      continue;  // somebody changed one of them meanwhile: with what there is now
    }
    // It was sent again under its key until the time was over: to try once more could pay twice.
    if (const auto* unknown = std::get_if<Unknown>(&outcome))
      std::fprintf(stderr, "look before you repeat it: %s\n", unknown->message.c_str());
    return false;
  }
}

}  // namespace

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  KvClient client = make_kv_client({.endpoints = *endpoints});
  const std::string ann = "examples/accounts/ann";
  const std::string bob = "examples/accounts/bob";
  client.put(ann, "100");
  client.put(bob, "0");
  const bool is_first_paid = transfer(client, ann, bob, 70);
  const bool is_second_paid = transfer(client, ann, bob, 70);
  const auto left = client.get(ann);
  const auto had = client.get(bob);
  if (!left || !had) return std::fprintf(stderr, "the accounts cannot be read\n"), 1;
  std::printf("ann has %s, bob has %s\n", left->bytes.c_str(), had->bytes.c_str());
  return is_first_paid && !is_second_paid ? 0 : 1;
}
