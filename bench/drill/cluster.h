#pragma once

// Nodes of a drill: processes that it started in a folder of its own, on free ports of loopback,
// each reached by the others and by clients through links that can be cut; or a cluster that runs
// already, of which it knows only the addresses. Used by one thread, which must live as long as the
// nodes: they end with the thread that started them.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bench/drill/ports.h"
#include "bench/drill/proxy.h"
#include "client/answers.h"
#include "client/cli/node_process.h"
#include "client/endpoint.h"
#include "client/kv_client.h"

namespace holdfast::drill {

struct Node {
  std::string name;
  Endpoint endpoint;  // the node itself
  Endpoint through;   // as clients of the load reach it
  Proxy::Link client_link = 0;
  std::vector<std::string> command;  // empty: not ours
  std::string log_file;
  std::optional<cli::NodeProcess> process;
  bool is_stopped = false;  // by SIGSTOP
};

struct ClusterPlan {
  int nodes = 3;
  std::string holdfastd;  // the program
  bool has_faults_api = false;
  uint64_t seed = 1;
};

// What a link between nodes is to be: of what `from` says to `to`.
struct Pair {
  std::string from;
  std::string to;
};

class Cluster {
 public:
  // Returns when all of them serve.
  static Result<std::unique_ptr<Cluster>> start(const ClusterPlan& plan);
  // The members of a running cluster, by what the first that answers says.
  static Result<std::unique_ptr<Cluster>> attach(std::vector<Endpoint> endpoints);
  ~Cluster();

  bool is_ours() const { return proxy_ != nullptr; }
  const std::string& directory() const { return directory_; }
  const std::vector<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  Node& node(const std::string& name);
  std::vector<Endpoint> endpoints() const;  // of the nodes that should run
  KvClient client(Duration timeout = std::chrono::seconds(10)) const;

  // What the node says of its cluster; nothing: it did not answer in time.
  std::optional<ClusterView> ask(const Node& node) const;
  // Who leads, as whoever has the newest term says. Waits for one.
  Result<std::string> leader() const;

  // The process is gone when this returns.
  void end(const std::string& name, int signal);
  void end_all(int signal);  // all get it before any is waited for
  // Waits until the node ends by itself. How it did; an error: it has not, or its last words do not
  // hold `reason`.
  Result<std::string> await_end(const std::string& name, const std::string& reason);
  Result<> restart(const std::string& name);
  void pause(const std::string& name);   // SIGSTOP
  void resume(const std::string& name);  // SIGCONT
  // Of a running cluster by PUT /v1/faults at each `from`, in the place of what set_faults has set
  // there.
  Result<> set_links(const std::vector<Pair>& pairs, const LinkRule& rule);
  void set_client_link(const std::string& name, const LinkRule& rule);
  // Each direction of each pair of nodes that were there at the start.
  std::vector<Pair> pairs() const;
  // Starts a node that joins; returns when it serves and votes.
  Result<> join(const std::string& name);
  Result<> remove(const std::string& name);  // from the cluster; its process ends
  // PUT /v1/faults at the node; DELETE where `json` is empty.
  Result<> set_faults(const std::string& name, const std::string& json);
  // Of a running cluster: all nodes have --enable-faults, and nobody else's faults are set.
  Result<> can_be_faulted() const;

  // All that should run do, and can serve a linearizable read.
  Result<> wait_ready(Duration patience = std::chrono::seconds(30)) const;
  bool is_ready(const Node& node) const;
  // Wakes all, makes all links whole, ends what `set_faults` has set, and waits until all serve.
  Result<> heal();
  // A problem: a node ended that nobody ended.
  std::optional<std::string> unexpected_end();
  // Keep the folder at the end: somebody should look at it.
  void keep_directory() { is_kept_ = true; }

 private:
  Cluster() = default;

  Result<> make_nodes(const ClusterPlan& plan);
  std::string members_as_seen_by(const std::string& name) const;
  Result<HttpResponse> call(const Node& node, const HttpRequest& request, Duration patience) const;
  Result<> set_links_there(const std::vector<Pair>& pairs, const LinkRule& rule);
  Result<> end_faults();

  struct PeerLink {
    Pair pair;
    Proxy::Link link;
  };
  const SystemClock clock_;
  std::string directory_;
  std::string holdfastd_;
  bool has_faults_api_ = false;
  bool is_kept_ = false;
  std::set<std::string> faulted_;  // names of nodes on which faults may be set
  std::map<std::string, std::map<std::string, LinkRule>> bad_links_;  // there; from, to
  std::unique_ptr<Proxy> proxy_;
  std::vector<PeerLink> peer_links_;
  Ports ports_;
  std::vector<uint16_t> peer_ports_;
  std::vector<std::unique_ptr<Node>> nodes_;  // never moved: others hold them
};

}  // namespace holdfast::drill
