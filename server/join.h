#pragma once

// How a node asks a cluster that exists, through any of its nodes, to take it in, or to let go of
// who it was: POST and DELETE /v1/cluster/members. Everything here blocks.

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
  ClusterId cluster;  // that alone; none: whichever is asked
};

// Of who a node was, from its cluster.
struct Departure {
  NodeId old_id;
  ClusterId cluster;
  std::function<Result<>()> about_to_ask;  // called before the cluster is first asked to remove it
};
enum class Removal : uint8_t {
  kStopped,
  kDone,         // it is no member any more
  kWasNoMember,  // nor was it when the cluster was first looked at
};

class Joiner {
 public:
  using Wait = std::function<bool(Duration)>;  // false: it is to stop

  Joiner(std::vector<std::string> urls, const Clock& clock, Random random, Wait wait);

  // Asks the URLs in turn, as often as it takes. `request.node` is a learner in the answer.
  // Nothing: stopped. An error: the cluster does not take the node in, and will not later.
  Result<std::optional<Entered>> ask(const JoinRequest& request);
  // Asks as often as it takes. An error: as above, or of `about_to_ask`.
  Result<Removal> remove(const Departure& departure);

 private:
  struct Reply;
  struct Wish;
  using Attempt = std::function<Reply(const std::string& url)>;
  Result<bool> ask_until_done(const Wish& wish, const Attempt& attempt);
  Reply ask_once(const std::string& url, const JoinRequest& request,
                 std::optional<Entered>& entered) const;
  struct Progress;
  Reply remove_once(const std::string& url, const Departure& departure, Progress& progress) const;
  static Reply reply_of(const std::string& url, unsigned status, const std::string& body);

  const std::vector<std::string> urls_;
  const Clock& clock_;
  Random random_;
  const Wait wait_;
  std::vector<std::string> complaints_;  // the newest about each URL
};

// Which cluster the first of `urls` that answers belongs to; nothing: none did, each asked once.
std::optional<ClusterId> cluster_at(const std::vector<std::string>& urls, const Clock& clock);

}  // namespace holdfast
