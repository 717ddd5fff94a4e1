// A copy of all keys under a prefix that keeps itself up to date: read once, then followed from the
// revision that was read. Nothing is missed between the two, nor when a node dies.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "client/kv_client.h"

using holdfast::KvClient;
using holdfast::make_kv_client;
using holdfast::parse_endpoints;
using holdfast::ScanQuery;
using holdfast::WatchedRevision;

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  const std::string prefix = count > 2 ? values[2] : "examples/";
  uint64_t changes_wanted = count > 3 ? std::strtoull(values[3], nullptr, 10) : 0;  // 0: for ever
  KvClient client = make_kv_client({.endpoints = *endpoints});

  std::map<std::string, std::string> copy;
  ScanQuery query{.prefix = prefix};
  uint64_t revision = 0;
  do {  // all pages are of one revision
    const auto page = client.scan(query);
    if (!page) return std::fprintf(stderr, "%s\n", page.error().message.c_str()), 1;
    for (const auto& item : page->items) copy[item.key] = item.value;
    revision = page->revision;
    query.cursor = page->next;
  } while (!query.cursor.empty());
  std::printf("%zu keys at revision %llu\n", copy.size(),
              static_cast<unsigned long long>(revision));
  std::fflush(stdout);

  const auto followed =
      client.watch({.prefix = prefix, .from = revision + 1}, [&](const WatchedRevision& change) {
        for (const auto& event : change.events) {
          if (event.is_delete) {
            copy.erase(event.key);
          } else {
            copy[event.key] = event.value;
          }
        }
        std::printf("%zu keys at revision %llu\n", copy.size(),
                    static_cast<unsigned long long>(change.revision));
        std::fflush(stdout);
        return changes_wanted == 0 || --changes_wanted > 0;
      });
  // What was compacted while nobody listened has to be read anew: this program ends and says so.
  if (!followed) return std::fprintf(stderr, "%s\n", followed.error().message.c_str()), 1;
  return 0;
}
