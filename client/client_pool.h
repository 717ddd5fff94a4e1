#pragma once

// Clients for a program of many threads: each call takes one, with its open connections, and gives
// it back. At most as many exist as calls went on at once, and never more than `clients_max`.

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "client/kv_client.h"

namespace holdfast {

// Where the members of the cluster of `client` take clients, the leader first: one endpoint is
// enough to begin with.
ReadOutcome<std::vector<Endpoint>> find_members(KvClient& client);

class ClientPool {
 public:
  // `options` of each client. All begin with the first endpoint, where calls need no forwarding if
  // it is the leader's.
  ClientPool(KvClientOptions options, size_t clients_max);

  // One client for the thread that took it, until this is gone. Must not outlive the pool.
  class Taken {
   public:
    Taken(ClientPool& pool, std::unique_ptr<KvClient> client)
        : pool_(pool), client_(std::move(client)) {}
    ~Taken() { pool_.give_back(std::move(client_)); }
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;

    KvClient* operator->() const { return client_.get(); }
    KvClient& operator*() const { return *client_; }

   private:
    ClientPool& pool_;
    std::unique_ptr<KvClient> client_;
  };
  // Any thread. Waits while all are taken.
  Taken take();

  size_t made() const;

 private:
  void give_back(std::unique_ptr<KvClient> client);

  const KvClientOptions options_;
  const size_t clients_max_;
  mutable std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<std::unique_ptr<KvClient>> idle_;  // the one used last at the end
  size_t made_ = 0;
};

}  // namespace holdfast
