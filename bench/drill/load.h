#pragma once

// Clients that read, write and delete while something breaks, and write down each operation: gets
// of both levels, puts, puts under conditions, deletes, transactions of two keys. A client asks one
// node, and goes to the next where that one refuses or falls silent. One client of each node only
// reads: the others soon wait for a change where none is taken, and then nobody would see what such
// a node still serves. Values are unique. Groups of keys are replaced before their histories are
// too long, or hold too many unknown outcomes, to be searched.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/drill/history.h"
#include "client/endpoint.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace holdfast::drill {

struct LoadTarget {
  std::string name;
  Endpoint endpoint;
};

enum class Mix { kAll, kLinearizableReads, kLocalReads, kPuts };

struct LoadPlan {
  std::vector<LoadTarget> targets;
  std::string prefix;  // of all keys; nobody else may use it, nor have used it before
  size_t clients = 9;
  size_t groups = 8;  // of four keys each
  Mix mix = Mix::kAll;
  bool moves_on = true;                           // false: each client keeps to its node
  Duration think = std::chrono::milliseconds(4);  // between a client's operations
  Duration patience = std::chrono::seconds(2);    // for one
  uint64_t seed = 1;
};

struct Pulse {
  uint64_t ok = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
};

// What clients share of a group of keys.
struct KeyGroup {
  std::string name;
  size_t generation = 0;
  size_t operations = 0;
  size_t unknown = 0;
};

class Load {
 public:
  explicit Load(LoadPlan plan);
  ~Load();

  Pulse pulse() const;
  void stop();
  // After `stop`: all that was recorded.
  History take() const;
  // Adds a last read of every key through `auditor`, by a client named "audit". Ends at the first
  // that cannot be read.
  void audit(const LoadTarget& auditor, History& history) const;

 private:
  struct Client;

  void work(Client& client);
  KeyGroup& group_for(Client& client, std::vector<std::string>& keys);
  void note(KeyGroup& group, const std::string& generation, const Operation& operation);

  const LoadPlan plan_;
  const SystemClock clock_;
  std::atomic<bool> is_over_ = false;
  std::atomic<uint64_t> ok_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::atomic<uint64_t> unknown_ = 0;
  std::mutex mutex_;
  std::vector<KeyGroup> groups_;  // under the mutex
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::thread> threads_;
};

}  // namespace holdfast::drill
