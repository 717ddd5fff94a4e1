#include "client/client_pool.h"

#include <utility>

#include "storage/base/check.h"

namespace holdfast {

ReadOutcome<std::vector<Endpoint>> find_members(KvClient& client) {
  ReadOutcome<ClusterView> view = client.cluster();
  if (!view) return std::unexpected(std::move(view).error());
  std::vector<Endpoint> endpoints;
  for (const Member& member : view->members) {
    // A member that has just joined may not have said yet where its clients go.
    Result<Endpoint> endpoint = parse_endpoint(member.client_url);
    if (!endpoint) continue;
    const bool leads = member.name == view->leader;
    endpoints.insert(leads ? endpoints.begin() : endpoints.end(), *std::move(endpoint));
  }
  if (endpoints.empty())
    return std::unexpected(
        Refusal{.code = "unreachable",
                .retryable = true,
                .message = "no member of the cluster has said yet where its clients go"});
  return endpoints;
}

ClientPool::ClientPool(KvClientOptions options, size_t clients_max)
    : options_(std::move(options)), clients_max_(clients_max) {
  CHECK(clients_max_ > 0);
}

ClientPool::Taken ClientPool::take() {
  std::unique_lock lock(mutex_);
  given_back_.wait(lock, [this] { return !idle_.empty() || made_ < clients_max_; });
  if (idle_.empty()) {
    ++made_;
    return {*this, std::make_unique<KvClient>(make_kv_client(options_))};
  }
  std::unique_ptr<KvClient> client = std::move(idle_.back());
  idle_.pop_back();
  return {*this, std::move(client)};
}

size_t ClientPool::made() const {
  const std::lock_guard lock(mutex_);
  return made_;
}

void ClientPool::give_back(std::unique_ptr<KvClient> client) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
  }
  given_back_.notify_one();
}

}  // namespace holdfast
