#pragma once

// How a node asks a cluster that exists to take it in, through any of its nodes: POST
// /v1/cluster/members. Everything here blocks.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/data_directory.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace holdfast {

// "URL,URL,…" as http://HOST:PORT each.
Result<std::vector<std::string>> parse_join_urls(std::string_view text);

struct JoinRequest {
  NodeId node;
  std::string name;
  std::string peer_address;
  std::string client_url;
  bool stays_learner = false;
};

class Joiner {
 public:
  using Wait = std::function<bool(Duration)>;  // false: it is to stop

  Joiner(std::vector<std::string> urls, const Clock& clock, Random random, Wait wait);

  // Asks the URLs in turn, as often as it takes. `request.node` is a learner in the answer.
  // Nothing: stopped. An error: the cluster does not take the node in, and will not later.
  Result<std::optional<Entered>> ask(const JoinRequest& request);

 private:
  struct Reply;
  Reply ask_once(const std::string& url, const JoinRequest& request) const;

  const std::vector<std::string> urls_;
  const Clock& clock_;
  Random random_;
  const Wait wait_;
  std::vector<std::string> complaints_;  // the newest about each URL
};

// Which cluster the first of `urls` that answers belongs to; nothing: none did, each asked once.
std::optional<ClusterId> cluster_at(const std::vector<std::string>& urls, const Clock& clock);

}  // namespace holdfast
