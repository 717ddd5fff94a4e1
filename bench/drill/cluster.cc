#include "bench/drill/cluster.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "storage/base/check.h"

namespace holdfast::drill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLookPeriod = milliseconds(5);
constexpr Duration kAskPatience = milliseconds(400);
constexpr Duration kLeaderPatience = seconds(20);
constexpr Duration kEndPatience = seconds(10);

Endpoint local(uint16_t port) {
  return {.host = "127.0.0.1", .port = port};
}

Result<std::string> make_directory() {
  const char* const given = std::getenv("TMPDIR");
  // Not /tmp: where that is memory, no disk would be drilled.
  std::string path = fmt::format("{}/holdfast-drill-XXXXXX", given != nullptr ? given : "/var/tmp");
  if (::mkdtemp(path.data()) == nullptr)
    return fail(ErrorCode::kIo, fmt::format("no folder can be made in '{}': set TMPDIR to one "
                                            "where it can",
                                            path.substr(0, path.rfind('/'))));
  return path;
}

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::start(const ClusterPlan& plan) {
  if (::access(plan.holdfastd.c_str(), X_OK) != 0)
    return fail(ErrorCode::kNotFound,
                fmt::format("'{}' is not there: build it with `cmake --build build --target "
                            "holdfastd`",
                            plan.holdfastd));
  std::unique_ptr<Cluster> cluster(new Cluster);
  HOLDFAST_ASSIGN(cluster->directory_, make_directory());
  cluster->holdfastd_ = plan.holdfastd;
  cluster->has_faults_api_ = plan.has_faults_api;
  cluster->proxy_ = std::make_unique<Proxy>(plan.seed);
  HOLDFAST_TRY(cluster->make_nodes(plan));
  for (const auto& node : cluster->nodes_) HOLDFAST_TRY(cluster->restart(node->name));
  HOLDFAST_TRY(cluster->wait_ready());
  return cluster;
}

Result<> Cluster::make_nodes(const ClusterPlan& plan) {
  for (int i = 0; i < plan.nodes; ++i) {
    auto node = std::make_unique<Node>();
    node->name = fmt::format("n{}", i + 1);
    HOLDFAST_ASSIGN(const uint16_t port, ports_.take());
    node->endpoint = local(port);
    HOLDFAST_ASSIGN(node->client_link, proxy_->add(node->endpoint.port));
    node->through = local(proxy_->port(node->client_link));
    HOLDFAST_ASSIGN(const uint16_t peer_port, ports_.take());
    peer_ports_.push_back(peer_port);
    nodes_.push_back(std::move(node));
  }
  for (const auto& from : nodes_) {
    for (size_t to = 0; to < nodes_.size(); ++to) {
      if (from->name == nodes_[to]->name) continue;
      HOLDFAST_ASSIGN(const Proxy::Link link, proxy_->add(peer_ports_[to]));
      peer_links_.push_back({{from->name, nodes_[to]->name}, link});
    }
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = *nodes_[i];
    node.log_file = fmt::format("{}/{}.log", directory_, node.name);
    node.command = {holdfastd_,
                    "--name",
                    node.name,
                    "--data-dir",
                    fmt::format("{}/{}", directory_, node.name),
                    "--listen",
                    node.endpoint.authority(),
                    "--peer-listen",
                    local(peer_ports_[i]).authority(),
                    "--initial-cluster",
                    members_as_seen_by(node.name)};
    if (has_faults_api_) node.command.emplace_back("--enable-faults");
  }
  return {};
}

std::string Cluster::members_as_seen_by(const std::string& name) const {
  std::string members;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    uint16_t port = peer_ports_[i];
    for (const PeerLink& link : peer_links_)
      if (link.pair.from == name && link.pair.to == nodes_[i]->name) port = proxy_->port(link.link);
    members += fmt::format("{}{}={}", i == 0 ? "" : ",", nodes_[i]->name, local(port).authority());
  }
  return members;
}

Result<std::unique_ptr<Cluster>> Cluster::attach(std::vector<Endpoint> endpoints) {
  std::unique_ptr<Cluster> cluster(new Cluster);
  KvClient client = make_kv_client({.endpoints = std::move(endpoints), .timeout = seconds(5)});
  const ReadOutcome<ClusterView> view = client.cluster();
  if (!view) return fail(ErrorCode::kUnavailable, view.error().message);
  for (const Member& member : view->members) {
    const Result<Endpoint> endpoint = parse_endpoint(member.client_url);
    if (!endpoint)
      return fail(ErrorCode::kUnavailable,
                  fmt::format("the client URL of {} is not known to its cluster yet", member.name));
    auto node = std::make_unique<Node>();
    node->name = member.name;
    node->endpoint = node->through = *endpoint;
    cluster->nodes_.push_back(std::move(node));
  }
  return cluster;
}

Cluster::~Cluster() {
  // A cluster that goes on without us must not keep them.
  if (const Result<> ended = is_ours() ? Result<>() : end_faults(); !ended)
    fmt::print(stderr, "faults may still be set, until DELETE /v1/faults: {}\n",
               ended.error().message);
  for (const auto& node : nodes_)
    if (node->process) node->process->signal(SIGKILL);
  for (const auto& node : nodes_) {
    while (node->process && node->process->is_running()) {
      node->process->has_just_ended();
      std::this_thread::sleep_for(kLookPeriod);
    }
  }
  std::error_code ignored;
  if (!directory_.empty() && !is_kept_) std::filesystem::remove_all(directory_, ignored);
}

Node& Cluster::node(const std::string& name) {
  const auto found = std::ranges::find_if(nodes_, [&](const auto& n) { return n->name == name; });
  CHECK(found != nodes_.end(), "no node '{}'", name);
  return **found;
}

std::vector<Endpoint> Cluster::endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const auto& node : nodes_)
    if (!is_ours() || node->process) endpoints.push_back(node->endpoint);
  return endpoints;
}

KvClient Cluster::client(Duration timeout) const {
  return make_kv_client({.endpoints = endpoints(), .timeout = timeout});
}

Result<HttpResponse> Cluster::call(const Node& node, const HttpRequest& request,
                                   Duration patience) const {
  HttpConnection connection(node.endpoint, clock_);
  std::expected<HttpResponse, NoAnswer> answer =
      connection.exchange(request, clock_.now() + patience);
  if (!answer) return fail(ErrorCode::kUnavailable, answer.error().message);
  return *std::move(answer);
}

std::optional<ClusterView> Cluster::ask(const Node& node) const {
  const Result<HttpResponse> answer = call(
      node, {.method = "GET", .target = "/v1/cluster", .headers = {}, .body = {}}, kAskPatience);
  if (!answer || answer->status != 200) return std::nullopt;
  Result<ClusterView> view = read_cluster_view(answer->body);
  if (!view) return std::nullopt;
  return *std::move(view);
}

Result<std::string> Cluster::leader() const {
  const Instant deadline = clock_.now() + kLeaderPatience;
  while (clock_.now() < deadline) {
    std::string name;
    uint64_t term = 0;
    for (const auto& node : nodes_) {
      if (node->is_stopped || (is_ours() && !node->process)) continue;
      const std::optional<ClusterView> view = ask(*node);
      if (!view || view->node.role != "leader" || view->node.term < term) continue;
      name = node->name;
      term = view->node.term;
    }
    if (!name.empty()) return name;
    std::this_thread::sleep_for(kLookPeriod);
  }
  return fail(ErrorCode::kUnavailable, "no node leads");
}

void Cluster::end(const std::string& name, int signal) {
  Node& ending = node(name);
  if (!ending.process) return;
  if (ending.is_stopped) resume(name);
  ending.process->signal(signal);
  while (!ending.process->has_just_ended()) std::this_thread::sleep_for(milliseconds(1));
  ending.process.reset();
}

void Cluster::end_all(int signal) {
  for (const auto& node : nodes_)
    if (node->process) node->process->signal(signal);
  for (const auto& node : nodes_) end(node->name, signal);
}

Result<std::string> Cluster::await_end(const std::string& name, const std::string& reason) {
  Node& ending = node(name);
  const Instant deadline = clock_.now() + kEndPatience;
  while (!ending.process->has_just_ended()) {
    if (clock_.now() > deadline)
      return fail(ErrorCode::kUnavailable, fmt::format("{} runs on, and should have ended", name));
    std::this_thread::sleep_for(kLookPeriod);
  }
  std::string how = ending.process->ending();
  ending.process.reset();
  std::ifstream in(ending.log_file);
  const std::string said((std::istreambuf_iterator<char>(in)), {});
  if (said.find(reason) != std::string::npos) return how;
  return fail(ErrorCode::kIo, fmt::format("{} has ended ({}), and does not say that it was "
                                          "for {}: its last words are in {}",
                                          name, how, reason, ending.log_file));
}

Result<> Cluster::restart(const std::string& name) {
  Node& starting = node(name);
  CHECK(!starting.process);
  HOLDFAST_ASSIGN(cli::NodeProcess process,
                  cli::NodeProcess::start(starting.command, starting.log_file));
  starting.process.emplace(std::move(process));
  return {};
}

void Cluster::pause(const std::string& name) {
  node(name).process->signal(SIGSTOP);
  node(name).is_stopped = true;
}

void Cluster::resume(const std::string& name) {
  if (node(name).process) node(name).process->signal(SIGCONT);
  node(name).is_stopped = false;
}

Result<> Cluster::join(const std::string& name) {
  HOLDFAST_ASSIGN(const uint16_t port, ports_.take());
  HOLDFAST_ASSIGN(const uint16_t peer_port, ports_.take());
  auto made = std::make_unique<Node>();
  made->name = name;
  made->endpoint = local(port);
  HOLDFAST_ASSIGN(made->client_link, proxy_->add(made->endpoint.port));
  made->through = local(proxy_->port(made->client_link));
  made->log_file = fmt::format("{}/{}.log", directory_, name);
  std::string urls;
  for (const Endpoint& endpoint : endpoints()) urls += (urls.empty() ? "" : ",") + endpoint.url();
  made->command = {holdfastd_,
                   "--name",
                   name,
                   "--data-dir",
                   directory_ + "/" + name,
                   "--listen",
                   made->endpoint.authority(),
                   "--peer-listen",
                   local(peer_port).authority(),
                   "--join",
                   urls};
  if (has_faults_api_) made->command.emplace_back("--enable-faults");
  nodes_.push_back(std::move(made));
  HOLDFAST_TRY(restart(name));
  const Instant deadline = clock_.now() + seconds(30);
  while (clock_.now() < deadline) {
    const std::optional<ClusterView> view = ask(node(name));
    if (view && is_ready(node(name)) && std::ranges::any_of(view->members, [&](const Member& m) {
          return m.name == name && m.is_voter;
        }))
      return {};
    std::this_thread::sleep_for(kLookPeriod);
  }
  return fail(ErrorCode::kUnavailable, fmt::format("{} has not become a voter in 30 s", name));
}

Result<> Cluster::remove(const std::string& name) {
  KvClient asking = client(seconds(20));
  const WriteOutcome<MembersAnswer> outcome = asking.remove_member(name);
  // A leader that is removed hands over, and what became of the request may not be told.
  if (const auto* refusal = std::get_if<Refusal>(&outcome);
      refusal != nullptr && refusal->code != "member_not_found")
    return fail(ErrorCode::kUnavailable,
                fmt::format("{} is not removed: {}", name, refusal->message));
  end(name, SIGTERM);
  return {};
}

bool Cluster::is_ready(const Node& node) const {
  const Result<HttpResponse> answer =
      call(node, {.method = "GET", .target = "/readyz", .headers = {}, .body = {}}, kAskPatience);
  return answer && answer->status == 200;
}

Result<> Cluster::wait_ready(Duration patience) const {
  const Instant deadline = clock_.now() + patience;
  for (const auto& node : nodes_) {
    if (is_ours() && !node->process) continue;
    while (!is_ready(*node)) {
      if (clock_.now() > deadline)
        return fail(ErrorCode::kUnavailable,
                    fmt::format("{} does not serve: {}", node->name,
                                is_ours() ? "its last words are in " + node->log_file
                                          : "see " + node->endpoint.url() + "/readyz"));
      std::this_thread::sleep_for(kLookPeriod);
    }
  }
  return {};
}

std::optional<std::string> Cluster::unexpected_end() {
  for (const auto& node : nodes_) {
    if (!node->process || !node->process->has_just_ended()) continue;
    std::string said = fmt::format("{} ended by itself: {}; its last words are in {}", node->name,
                                   node->process->ending(), node->log_file);
    node->process.reset();
    keep_directory();
    return said;
  }
  return std::nullopt;
}

}  // namespace holdfast::drill
