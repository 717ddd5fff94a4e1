// Many puts on few requests. Each line has an outcome of its own; what was refused or left open is
// sent again under its own idempotency key, so that each is made once.

#include <cstdio>
#include <string>
#include <vector>

#include "client/kv_client.h"

using holdfast::BulkAnswer;
using holdfast::KvClient;
using holdfast::make_kv_client;
using holdfast::parse_endpoints;
using holdfast::Refusal;

namespace {

constexpr int kRecords = 2000;
constexpr int kTries = 100;

std::string line_of(const std::string& run, int number) {
  const std::string text = std::to_string(number);
  return R"({"put":{"key":"examples/bulk/)" + text + R"(","value":")" + text +
         R"("},"idempotency_key":")" + run + "-" + text + "\"}\n";
}

}  // namespace

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  const std::string run = count > 2 ? values[2] : "first-run";  // one name for each run
  KvClient client = make_kv_client({.endpoints = *endpoints});

  std::vector<std::string> lines;
  for (int number = 0; number < kRecords; ++number) lines.push_back(line_of(run, number));
  for (int tries = 0; !lines.empty() && tries < kTries; ++tries) {
    const auto outcomes = client.bulk(lines);
    std::vector<std::string> again;
    for (size_t i = 0; i < lines.size(); ++i) {
      const auto* refusal = std::get_if<Refusal>(&outcomes[i]);
      if (refusal != nullptr && !refusal->retryable)
        return std::fprintf(stderr, "%s\n", refusal->message.c_str()), 1;
      if (!std::holds_alternative<BulkAnswer>(outcomes[i])) again.push_back(lines[i]);
    }
    lines = std::move(again);
  }
  std::printf("%d of %d records are stored\n", kRecords - static_cast<int>(lines.size()), kRecords);
  return lines.empty() ? 0 : 1;
}
