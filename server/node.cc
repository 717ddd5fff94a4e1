#include "server/node.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "replication/node/applier.h"
#include "replication/node/replica_loop.h"
#include "replication/transport/tcp_transport.h"
#include "server/api/readers.h"
#include "server/api/routes.h"
#include "server/api/services.h"
#include "server/bootstrap.h"
#include "server/data_directory.h"
#include "server/gates.h"
#include "server/http/listener.h"
#include "server/metrics.h"
#include "server/recovery.h"
#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/random.h"
#include "storage/fs/posix.h"
#include "storage/kv/rocks_engine.h"
#include "storage/log/log_writer.h"

namespace holdfast {

namespace net = boost::asio;

namespace {

constexpr auto kGreetAgain = std::chrono::milliseconds(200);
constexpr Duration kDrainPatience = std::chrono::seconds(5);
constexpr auto kHandoverLook = std::chrono::milliseconds(2);
constexpr auto kDrainLook = std::chrono::milliseconds(20);
constexpr Duration kPublishEvery = std::chrono::milliseconds(10);
constexpr Duration kAnnounceEvery = std::chrono::seconds(2);
constexpr Duration kAnnouncePatience = std::chrono::seconds(1);

// Takes the last gate number, which no io thread has: nobody waits for these answers.
constexpr uint64_t kNobody = Gate::kGatesMax - 1;

constexpr size_t kReaderThreads = 2;

std::string peer_address_of(const Config& config, const std::string& name) {
  if (!config.advertise_peer.empty()) return config.advertise_peer;
  const auto own = std::ranges::find(config.initial_cluster, name, &InitialMember::name);
  return own == config.initial_cluster.end() ? config.peer_listen : own->peer_address;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("localhost:") ||
         address.starts_with("[::1]:");
}

const char* name_of(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return "follower";
    case raft::Role::kCandidate:
      return "candidate";
    case raft::Role::kLeader:
      return "leader";
  }
  return "";
}

}  // namespace

// In the order in which they are made; each may use those above it.
struct Node::Parts {
  Parts(Config config_in, DataDirectory directory_in)
      : config(std::move(config_in)), directory(std::move(directory_in)) {}

  const Config config;
  SystemClock clock;
  PosixFileSystem fs;
  DataDirectory directory;
  Random random{random_from_system()};
  net::io_context loop{1};
  net::signal_set signals{loop, SIGTERM, SIGINT};
  net::steady_timer timer{loop};
  std::unique_ptr<TcpTransport> transport;
  std::unique_ptr<RocksEngine> engine;
  std::unique_ptr<KvStateMachine> machine;
  StatusBoard board;
  std::unique_ptr<Gates> gates;
  std::unique_ptr<ReplicaLoop> replica_loop;
  std::unique_ptr<LogWriter> log;
  std::unique_ptr<Applier> applier;
  std::unique_ptr<Replica> replica;
  Metrics metrics;
  std::unique_ptr<Readers> readers;
  std::unique_ptr<Services> services;
  http::Router router;
  http::Limits limits;
  std::unique_ptr<http::Connections> connections;
  std::unique_ptr<http::Listener> listener;

  bool stopping = false;
  Instant published;
  Instant announced;

  struct Forming {
    Bootstrap bootstrap;
    Result<> outcome;
  };

  Hello hello() const;
  Result<> listen();
  Result<> form_cluster();
  void greet_silent(const std::weak_ptr<Forming>& weak);
  Result<> open_storage(const raft::Members* first_members);
  void start_replica(raft::Recovered recovered);
  void start_service();
  void after_turn(Instant now, const std::vector<raft::RoleChange>& roles);
  void publish(Instant now);
  void announce(Instant now, const NodeStatus& status);
  void stop_on_signal();
  void drain_when_handed_over(Instant deadline);
  void stop_when_drained(Instant deadline);
  Result<> stop();

 private:
  std::string log_path() const;
  std::unique_ptr<SegmentedLog> opened_log_;
};

Hello Node::Parts::hello() const {
  const Identity& identity = directory.identity();
  return {kPeerProtocol, identity.cluster, identity.node, identity.name,
          peer_address_of(config, identity.name)};
}

Result<> Node::Parts::listen() {
  for (const std::string& address : {config.listen, config.peer_listen}) {
    if (!is_loopback(address))
      log_warning(
          "{} can be reached from outside this machine, and there is no access control "
          "yet: whoever reaches it may read and change everything",
          address);
  }
  transport = std::make_unique<TcpTransport>(loop, hello(), random.fork());
  HOLDFAST_TRY(transport->listen(config.peer_listen));
  limits.body_bytes_max = config.value_bytes_max;
  services = std::make_unique<Services>();
  services->clock = &clock;
  add_routes(router);
  connections = std::make_unique<http::Connections>(loop, router, *services, limits, clock);
  HOLDFAST_ASSIGN(const HostPort address, parse_host_port(config.listen));
  HOLDFAST_ASSIGN(listener, http::Listener::open(loop, address.host,
                                                 static_cast<uint16_t>(std::stoi(address.port)),
                                                 {connections.get()}, limits));
  // From now on, so that nobody hangs while the cluster forms: the answer is "not ready".
  connections->start_sweeping();
  listener->start();
  return {};
}

// Asks the listed members who they are until all have answered.
Result<> Node::Parts::form_cluster() {
  const Hello self = hello();
  std::vector<InitialMember> members = config.initial_cluster;
  if (members.empty()) members.push_back({self.name, self.peer_address});
  if (members.size() > 1)
    log_info("forming a cluster: asking {} other members", members.size() - 1);
  HOLDFAST_ASSIGN(Bootstrap bootstrap, Bootstrap::begin(std::move(members), self));
  // Answers that come when the forming has ended find nobody.
  auto forming = std::make_shared<Forming>(std::move(bootstrap), Result<>());
  signals.async_wait([this](boost::system::error_code code, int) {
    if (code) return;
    stopping = true;
    loop.stop();
  });
  greet_silent(forming);
  while (!forming->bootstrap.silent().empty() && forming->outcome && !stopping) loop.run_one();
  loop.restart();
  signals.cancel();
  timer.cancel();
  if (!forming->outcome || stopping) return forming->outcome;
  HOLDFAST_ASSIGN(const Bootstrap::Formed formed, forming->bootstrap.form());
  // The identity last: a crash before it begins the forming anew.
  HOLDFAST_TRY(open_storage(&formed.members));
  HOLDFAST_TRY(directory.form(fs, formed.cluster));
  transport->introduce(hello());
  log_info("cluster {:016x} has formed with {} members", formed.cluster.value,
           formed.members.list.size());
  return {};
}

void Node::Parts::greet_silent(const std::weak_ptr<Forming>& weak) {
  const std::shared_ptr<Forming> forming = weak.lock();
  if (!forming) return;
  for (const InitialMember& member : forming->bootstrap.silent()) {
    transport->greet(member.peer_address, [weak, member](const Result<Hello>& hello) {
      const std::shared_ptr<Forming> still = weak.lock();
      if (still && hello && still->outcome) still->outcome = still->bootstrap.hear(member, *hello);
    });
  }
  timer.expires_after(kGreetAgain);
  timer.async_wait([this, weak](boost::system::error_code code) {
    if (!code) greet_silent(weak);
  });
}

std::string Node::Parts::log_path() const {
  if (config.log_dir.empty()) return directory.group_path(kFirstGroup) + "/log";
  return config.log_dir + "/groups/" + std::to_string(kFirstGroup.value) + "/log";
}

// `first_members`: a cluster that has just formed. Else what is on disk goes on.
Result<> Node::Parts::open_storage(const raft::Members* first_members) {
  HOLDFAST_TRY(fs.create_directories(log_path()));
  HOLDFAST_TRY(fs.create_directories(directory.group_path(kFirstGroup)));
  HOLDFAST_ASSIGN(SegmentedLog::Opened opened,
                  SegmentedLog::open(fs, log_path(),
                                     {.salt = random.next(), .keep_bytes = config.keep_log_bytes}));
  if (opened.recovered.torn_tail)
    log_warning(
        "{}: the last batch was not whole when the node stopped; {} bytes at {} that had "
        "not been acknowledged were dropped",
        opened.recovered.torn_tail->file, opened.recovered.torn_tail->bytes,
        opened.recovered.torn_tail->offset);
  if (first_members == nullptr && !opened.recovered.last.index)
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("{} is empty, but this node is a member of a cluster and has had a log: "
                    "what it voted for and acknowledged is gone. Put the log back (is a "
                    "disk not mounted?), or remove the node's data folder and let it join "
                    "anew (--join)",
                    log_path()));
  if (first_members != nullptr) {
    HOLDFAST_TRY(write_first_entry(opened.recovered, *opened.log, *first_members));
    opened.log.reset();
    return open_storage(nullptr);
  }
  HOLDFAST_ASSIGN(engine,
                  RocksEngine::open({.directory = directory.group_path(kFirstGroup) + "/state"}));
  HOLDFAST_ASSIGN(machine, KvStateMachine::open(*engine));
  HOLDFAST_ASSIGN(raft::Recovered recovered,
                  recover_replica(opened.recovered, *opened.log, *machine));
  opened_log_ = std::move(opened.log);
  log_info("log up to {}, state up to {}", recovered.last.value, recovered.applied.value);
  start_replica(std::move(recovered));
  return {};
}

void Node::Parts::start_replica(raft::Recovered recovered) {
  const NodeId self = directory.identity().node;
  replica_loop = std::make_unique<ReplicaLoop>(loop, clock);
  ReplicaLoop& mailbox = *replica_loop;
  gates =
      std::make_unique<Gates>(std::vector{&loop}, *machine, random.next() >> 1,
                              [&mailbox](raft::Input input) { mailbox.post(std::move(input)); });
  log = std::make_unique<LogWriter>(
      std::move(opened_log_),
      LogWriter::Answers{
          .persisted = [&mailbox](WriteTicket last) { mailbox.post(raft::Persisted{last}); },
          .loaded =
              [&mailbox](NodeId destination, std::vector<EntryPtr> entries) {
                mailbox.post(raft::Loaded{destination, std::move(entries)});
              }});
  applier = std::make_unique<Applier>(*machine, self,
                                      [this](LogIndex upto, std::vector<Completion> completions) {
                                        gates->applied(std::move(completions));
                                        replica_loop->post(raft::Applied{upto});
                                      });
  raft::Config raft_config{
      .self = self, .heartbeat = config.heartbeat, .election_timeout = config.election_timeout};
  replica = std::make_unique<Replica>(raft_config, std::move(recovered), random.fork(), clock.now(),
                                      Replica::Seams{*log, *transport, *applier, *gates});
}

void Node::Parts::start_service() {
  services->value_bytes_max = config.value_bytes_max;
  services->gate = &gates->gate(0);
  services->engine = engine.get();
  services->status = &board;
  services->loop = &loop;
  services->readers = (readers = std::make_unique<Readers>(kReaderThreads)).get();
  services->metrics = &metrics;
  transport->start(
      kFirstGroup,
      [this](raft::Envelope envelope) { replica_loop->post(raft::Received{std::move(envelope)}); },
      [this](NodeId peer) { replica_loop->post(raft::PeerGone{peer}); });
  std::vector<raft::Member> peers = replica->raft().members().list;
  for (raft::Member& peer : peers) {
    // An operator who lists an address on this node knows better than the peer how it is reached
    // from here: a proxy may stand between.
    const auto listed = std::ranges::find(config.initial_cluster, peer.name, &InitialMember::name);
    if (listed != config.initial_cluster.end()) peer.peer_address = listed->peer_address;
  }
  transport->set_peers(peers);
  replica_loop->start(*replica, [this](Instant now, const std::vector<raft::RoleChange>& roles) {
    after_turn(now, roles);
  });
}

void Node::Parts::after_turn(Instant now, const std::vector<raft::RoleChange>& roles) {
  for (const raft::RoleChange& change : roles)
    log_info("{} in term {}{}", name_of(change.role), change.term.value,
             change.role != raft::Role::kFollower ? ""
             : change.leader ? " of " + replica->raft().members().find(change.leader)->name
                             : " without a leader");
  if (!roles.empty() || now - published >= kPublishEvery) publish(now);
  gates->look_again(now);
}

void Node::Parts::publish(Instant now) {
  published = now;
  auto status = std::make_shared<NodeStatus>();
  status->cluster = directory.identity().cluster;
  status->self = directory.identity().node;
  status->name = directory.identity().name;
  status->raft = replica->status();
  status->members = replica->raft().members();
  status->client_urls = *machine->client_urls();
  status->durable = machine->durable();
  const StateSummary summary = machine->summary();
  status->revision = summary.revision;
  status->state_hash = summary.state_hash;
  status->state_hash_index = summary.applied.index;
  status->taken = now;
  announce(now, *status);
  board.publish(std::move(status));
}

// The other nodes tell clients where this one is.
void Node::Parts::announce(Instant now, const NodeStatus& status) {
  const std::string url =
      config.advertise_client.empty() ? "http://" + config.listen : config.advertise_client;
  const auto known = status.client_urls.find(status.self);
  if (known != status.client_urls.end() && known->second == url) return;
  if (!status.raft.leader || now - announced < kAnnounceEvery) return;
  announced = now;
  raft::Propose propose;
  propose.proposals.push_back(
      {RequestId{random.next() / Gate::kGatesMax * Gate::kGatesMax + kNobody},
       now + kAnnouncePatience, encode_command({0, AnnounceCommand{status.self, url}})});
  replica_loop->post(std::move(propose));
}

// First no new connections, then the answers that are owed, then the rest.
void Node::Parts::stop_on_signal() {
  signals.async_wait([this](boost::system::error_code code, int signal) {
    if (code) return;
    log_info("stopping: {}", signal == SIGINT ? "SIGINT" : "SIGTERM");
    replica_loop->post(raft::TransferLeader{});
    drain_when_handed_over(clock.now() + config.election_timeout);
  });
}

// A planned stop costs no election: the leadership goes to another member first, if one is there.
void Node::Parts::drain_when_handed_over(Instant deadline) {
  const raft::Status status = replica->status();
  const bool can_hand_over = replica->raft().members().voters().size() > 1;
  if (status.role == raft::Role::kLeader && can_hand_over && clock.now() < deadline) {
    timer.expires_after(kHandoverLook);
    timer.async_wait([this, deadline](boost::system::error_code code) {
      if (!code) drain_when_handed_over(deadline);
    });
    return;
  }
  listener->stop();
  connections->drain();
  stop_when_drained(clock.now() + kDrainPatience);
}

void Node::Parts::stop_when_drained(Instant deadline) {
  if (connections->size() == 0 || clock.now() >= deadline) return loop.stop();
  timer.expires_after(kDrainLook);
  timer.async_wait([this, deadline](boost::system::error_code) { stop_when_drained(deadline); });
}

Result<> Node::Parts::stop() {
  replica_loop->stop();
  log.reset();
  applier.reset();
  // Requests that still wait are answered while their connections are there. An answer may let
  // another request begin; once the connections are closed, none does.
  gates->gate(0).abandon();
  loop.restart();
  loop.poll();
  connections->close_all();
  gates->gate(0).abandon();
  readers->stop();
  loop.restart();
  loop.poll();
  // A start finds the state whole, and has nothing to apply again.
  HOLDFAST_TRY(engine->flush());
  log_info("stopped");
  return {};
}

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::open(const Config& config) {
  SystemClock clock;
  PosixFileSystem fs;
  HOLDFAST_ASSIGN(DataDirectory directory, DataDirectory::open(fs, config.data_dir, config.name,
                                                               NodeId{random_from_system()}));
  auto parts = std::make_unique<Parts>(config, std::move(directory));
  const Identity& identity = parts->directory.identity();
  log_info("holdfastd {}: node {} ({:016x}), data in {}", HOLDFAST_VERSION, identity.name,
           identity.node.value, config.data_dir);
  HOLDFAST_TRY(parts->listen());
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

Result<> Node::run() {
  Parts& parts = *parts_;
  if (parts.directory.identity().cluster) {
    HOLDFAST_TRY(parts.open_storage(nullptr));
  } else {
    HOLDFAST_TRY(parts.form_cluster());
    if (parts.stopping) return {};
  }
  parts.stop_on_signal();
  parts.start_service();
  log_info("clients at http://{}", parts.config.listen);
  parts.loop.run();
  return parts.stop();
}

}  // namespace holdfast
