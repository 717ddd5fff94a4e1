// A counter that many threads raise, and no raise is lost or made twice: each change is made only
// if nobody else made one since it was read. An unknown outcome is found out by a look.

#include <cstdio>
#include <thread>
#include <vector>

#include "client/client_pool.h"

using holdfast::ClientPool;
using holdfast::Condition;
using holdfast::parse_endpoints;
using holdfast::PutAnswer;
using holdfast::ReadOutcome;
using holdfast::Refusal;
using holdfast::Value;

namespace {

constexpr int kThreads = 4;
constexpr int kRaises = 25;
const std::string kKey = "examples/counter";

// The value carries who raised it last and for the how many-th time: an unknown raise that happened
// is recognised, however late it is looked for, as long as its author looks before it goes on.
struct Count {
  int total = 0;
  std::vector<int> by_author = std::vector<int>(kThreads);
};

std::string written(const Count& count) {
  std::string text = std::to_string(count.total);
  for (const int raises : count.by_author) text += " " + std::to_string(raises);
  return text;
}

Count parsed(const std::string& text) {
  Count count;
  const char* at = text.c_str();
  char* end = nullptr;
  count.total = static_cast<int>(std::strtol(at, &end, 10));
  for (int& raises : count.by_author) raises = static_cast<int>(std::strtol(at = end, &end, 10));
  return count;
}

// False: the cluster cannot be asked.
bool raise_once(ClientPool& clients, int author, int number) {
  for (;;) {
    const ReadOutcome<Value> now = clients.take()->get(kKey);
    if (!now && now.error().status != 404) return false;
    Count count = now ? parsed(now->bytes) : Count{};
    auto& mine = count.by_author[static_cast<size_t>(author)];
    if (mine == number) return true;  // an earlier try, whose outcome was unknown, has done it
    mine = number;
    ++count.total;
    const Condition unchanged =
        now ? Condition{.if_match = "\"" + std::to_string(now->mod_revision) + "\""}
            : Condition{.if_none_match = "*"};
    const auto outcome = clients.take()->put(kKey, written(count), unchanged);
    if (std::holds_alternative<PutAnswer>(outcome)) return true;
    // Somebody else was faster, or nobody knows: the next look tells.
    const auto* refusal = std::get_if<Refusal>(&outcome);
    if (refusal != nullptr && refusal->status != 412 && !refusal->retryable) return false;
  }
}

}  // namespace

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  ClientPool clients({.endpoints = *endpoints}, kThreads);
  std::vector<std::jthread> threads;
  for (int author = 0; author < kThreads; ++author)
    threads.emplace_back([&clients, author] {
      for (int number = 1; number <= kRaises; ++number)
        if (!raise_once(clients, author, number)) return;
    });
  threads.clear();  // waits for them
  const auto end = clients.take()->get(kKey);
  if (!end) return std::fprintf(stderr, "%s\n", end.error().message.c_str()), 1;
  std::printf("raised %d times\n", parsed(end->bytes).total);
  return parsed(end->bytes).total == kThreads * kRaises ? 0 : 1;
}
