#include "server/node.h"

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "replication/node/applier.h"
#include "replication/node/replica_loop.h"
#include "replication/node/tcp_snapshots.h"
#include "replication/node/upkeep.h"
#include "replication/transport/tcp_transport.h"
#include "server/addresses.h"
#include "server/announcer.h"
#include "server/api/backups.h"
#include "server/api/cluster.h"
#include "server/api/event_readers.h"
#include "server/api/lock_waiters.h"
#include "server/api/readers.h"
#include "server/api/routes.h"
#include "server/api/services.h"
#include "server/api/watchers.h"
#include "server/chronicle.h"
#include "server/data_directory.h"
#include "server/disk_room.h"
#include "server/drain.h"
#include "server/entrance.h"
#include "server/faults.h"
#include "server/gates.h"
#include "server/http/listener.h"
#include "server/metrics.h"
#include "server/node_storage.h"
#include "server/own_status.h"
#include "server/rebuild.h"
#include "server/reclaim.h"
#include "server/rejoin.h"
#include "server/scrub.h"
#include "storage/base/check.h"
#include "storage/base/events.h"
#include "storage/base/log.h"
#include "storage/base/random.h"
#include "storage/fs/posix.h"
#include "storage/log/log_writer.h"

namespace holdfast {

namespace net = boost::asio;
namespace {

constexpr Duration kPublishEvery = std::chrono::milliseconds(10);
constexpr Duration kOwnPatience = std::chrono::seconds(1);

constexpr size_t kReaderThreads = 2;
constexpr uint64_t kScrubBytesASecond = uint64_t{16} << 20;

}  // namespace

// In the order in which they are made; each may use those above it.
struct Node::Parts {
  Parts(Config config_in, DataDirectory directory_in)
      : config(std::move(config_in)),
        faults(config.enable_faults ? std::make_unique<Faults>(loop, machine_clock, fs) : nullptr),
        directory(std::move(directory_in)) {}

  const Config config;
  net::io_context loop{1};
  SystemClock machine_clock;
  PosixFileSystem fs;
  const std::unique_ptr<Faults> faults;  // null: none can be made
  const Clock& clock{faults ? faults->clock() : static_cast<const Clock&>(machine_clock)};
  FileSystem& disk{faults ? faults->files() : static_cast<FileSystem&>(fs)};  // of the large files
  DataDirectory directory;
  Random random{random_from_system()};
  Events events{clock, random.next()};
  const TellEvent tell = [this](Event event) { events.tell(std::move(event)); };
  Chronicle chronicle{events};
  std::unique_ptr<Drain> drain;
  std::unique_ptr<TcpTransport> transport;
  std::unique_ptr<Suspicion> suspicion;
  std::unique_ptr<Repairs> repairs;
  std::unique_ptr<DiskRoom> room;
  std::unique_ptr<RocksEngine> engine;
  std::unique_ptr<KvStateMachine> machine;
  StatusBoard board;
  std::unique_ptr<Gates> gates;
  std::unique_ptr<ReplicaLoop> replica_loop;
  std::unique_ptr<LogWriter> log;
  std::unique_ptr<Applier> applier;
  std::unique_ptr<TcpSnapshots> snapshots;
  std::unique_ptr<Replica> replica;
  std::unique_ptr<Announcer> announcer;
  std::unique_ptr<Upkeep> upkeep;
  std::unique_ptr<HashReporter> hash_reporter;
  std::unique_ptr<Reclaim> reclaim;
  Metrics metrics;
  std::unique_ptr<Readers> readers;
  std::unique_ptr<Backups> backups;
  std::unique_ptr<Services> services;
  std::unique_ptr<Watchers> watchers;
  std::unique_ptr<LockWaiters> lock_waiters;
  std::unique_ptr<EventReaders> event_readers;
  http::Router router;
  http::Limits limits;
  std::unique_ptr<http::Connections> connections;
  std::unique_ptr<http::Listener> listener;
  std::unique_ptr<Scrub> scrub;

  Instant published;
  raft::Members followed;                               // the transport has these
  LogIndex log_end;                                     // at the start
  std::shared_ptr<const ClientUrls> noted_client_urls;  // on the apply thread
  Hello hello() const { return hello_of(config, directory.identity()); }
  Result<> listen();
  Result<bool> enter_cluster();
  Result<> open_storage();
  Result<> start_replica(raft::Recovered recovered);
  void start_service();
  void after_turn(Instant now, const std::vector<raft::RoleChange>& roles);
  void publish(Instant now);
  void follow_members();
  void note_client_urls();
  void prepare_drain();
  void leave();
  NodeEnd say_removed() const;
  Result<> stop();

 private:
  SegmentedLog::Options log_options() {
    return {
        .segment_bytes = room->log_sizes().segment,
        .salt = random.next(),
        .keep_bytes = config.keep_log_bytes,
        .make_room = [this] { return room->make_room(DiskRoom::Disk::kLog, RoomFor::kNewBytes); }};
  }
  RocksEngine::Options state_options() {
    return {
        .memtable_bytes = room->state_sizes().memtable,
        .table_bytes = room->state_sizes().table,
        .make_room = [this](RoomFor what) { return room->make_room(DiskRoom::Disk::kState, what); },
        .faults = faults ? &faults->disk() : nullptr};
  }
  std::unique_ptr<SegmentedLog> opened_log_;
};

Result<> Node::Parts::listen() {
  if (const Result<> reached = check_peer_address(hello().peer_address); !reached)
    return fail(ErrorCode::kInvalid, reached.error().message + ": give --advertise-peer HOST:PORT");
  for (const std::string& address : {config.listen, config.peer_listen}) {
    if (!is_loopback(address))
      log_warning(
          "{} can be reached from outside this machine, and there is no access control "
          "yet: whoever reaches it may read and change everything",
          address);
  }
  if (faults)
    log_warning(
        "--enable-faults: whoever reaches {} can cut this node's links, stall its disk and "
        "skew its clock (/v1/faults)",
        config.listen);
  transport = std::make_unique<TcpTransport>(loop, hello(), random.fork());
  HOLDFAST_TRY(transport->listen(config.peer_listen));
  limits.body_bytes_max = config.value_bytes_max;
  services = std::make_unique<Services>();
  services->clock = &clock;
  services->events = &events;
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

Result<bool> Node::Parts::enter_cluster() {
  return Entrance(config, log_options(), {loop, *transport, clock, fs, directory, tell},
                  random.fork())
      .pass();
}

Result<> Node::Parts::open_storage() {
  const StoragePlaces places = places_of(config, directory);
  HOLDFAST_TRY(make_folders(fs, places));
  suspicion = std::make_unique<Suspicion>(fs, places.group, directory.identity().node, tell);
  HOLDFAST_ASSIGN(NodeStorage storage,
                  open_node_storage(disk, directory.identity(), places, log_options(), *suspicion,
                                    state_options()));
  engine = std::move(storage.engine);
  machine = std::move(storage.machine);
  opened_log_ = std::move(storage.log);
  repairs = std::make_unique<Repairs>(fs, places, *suspicion, storage.recovered);
  return start_replica(std::move(storage.recovered));
}

Result<> Node::Parts::start_replica(raft::Recovered recovered) {
  const NodeId self = directory.identity().node;
  log_end = recovered.last;
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
              },
          .damaged = [this](const std::string& what) { suspicion->log_is_damaged(what); }});
  applier = std::make_unique<Applier>(
      *machine, self,
      Applier::Answers{
          .applied =
              [this](raft::Applied applied, std::vector<Completion> completions) {
                gates->applied(std::move(completions));
                replica_loop->post(applied);
                note_client_urls();
              },
          .members = [this](const raft::Members& members) { suspicion->follow(members); },
          .installed =
              [this](raft::Installed installed) {
                chronicle.tell_installed(installed.position.index);
                replica_loop->post(std::move(installed));
              }});
  const std::string group = directory.group_path(kFirstGroup);
  const auto verify = [this](const std::string& path) { return engine->read_back_file(path); };
  const SnapshotSending sending{.self = hello(),
                                .group = kFirstGroup,
                                .directory = group + "/snapshots",
                                .verify = verify,
                                .tell = tell};
  HOLDFAST_ASSIGN(
      snapshots,
      TcpSnapshots::open(
          disk, clock, sending, *machine, *transport,
          {.post = [&mailbox](raft::Input input) { mailbox.post(std::move(input)); },
           .make_room = [this, group]() -> Result<> {
             HOLDFAST_TRY(remove_damaged_state(group));
             return remove_what_lies_aside(config);
           },
           .is_cut_off = [this](NodeId peer) { return faults && faults->cuts_off(peer); }}));
  backups = std::make_unique<Backups>(disk, *machine, clock, directory.identity().cluster,
                                      group + "/backup", verify);
  HOLDFAST_TRY(backups->remove());  // what a crash has left
  announcer = std::make_unique<Announcer>(
      self, Announcer::Addresses{client_url_of(config), hello().peer_address}, random.fork());
  upkeep = std::make_unique<Upkeep>(*machine);
  hash_reporter = std::make_unique<HashReporter>(self);
  reclaim = std::make_unique<Reclaim>(*engine, *machine, *room, tell);
  Transport* peers = transport.get();
  if (faults)
    peers = &faults->stand_before(
        *transport,
        [&mailbox](raft::Envelope envelope) { mailbox.post(raft::Received{std::move(envelope)}); },
        random.fork());
  raft::Config raft_config{
      .self = self, .heartbeat = config.heartbeat, .election_timeout = config.election_timeout};
  replica = std::make_unique<Replica>(raft_config, std::move(recovered), random.fork(), clock.now(),
                                      Replica::Seams{*log, *peers, *applier, *snapshots, *gates});
  return {};
}

void Node::Parts::start_service() {
  services->value_bytes_max = config.value_bytes_max;
  services->gate = &gates->gate(0);
  services->engine = engine.get();
  services->machine = machine.get();
  services->status = &board;
  services->loop = &loop;
  services->readers = (readers = std::make_unique<Readers>(kReaderThreads)).get();
  services->backups = backups.get();
  services->metrics = &metrics;
  services->watchers = (watchers = std::make_unique<Watchers>(*services)).get();
  services->lock_waiters = (lock_waiters = std::make_unique<LockWaiters>(*services)).get();
  services->event_readers = (event_readers = std::make_unique<EventReaders>(*services)).get();
  transport->start(
      kFirstGroup,
      [this](raft::Envelope envelope) {
        if (faults) return faults->receive(std::move(envelope));
        replica_loop->post(raft::Received{std::move(envelope)});
      },
      [this](NodeId peer) {
        if (!faults || faults->lets_hear_of_end(peer)) replica_loop->post(raft::PeerGone{peer});
      });
  scrub = std::make_unique<Scrub>(
      Scrub::Options{.every = config.scrub_every,
                     .log = places_of(config, directory).log,
                     .checkpoint = directory.group_path(kFirstGroup) + "/scrub",
                     .bytes_a_second = kScrubBytesASecond,
                     .has_replayed = [this] { return machine->summary().applied.index >= log_end; },
                     .has_room = [this] { return !room->is_short(); }},
      fs, *engine, *machine, *suspicion, metrics);
  transport->set_detours(detours(config, directory.identity().first_members));
  follow_members();
  if (faults)
    faults->tell({.clock_changed = [this] { replica_loop->look_at_clock(); },
                  .cut_off = [this](NodeId peer) { snapshots->cut_off(peer); }});
  services->faults = faults.get();
  room->watch({.changed =
                   [this](RoomLevel level) {
                     const bool is_short = level != RoomLevel::kEnough;
                     log->be_thrifty(is_short);
                     replica_loop->post(raft::RoomChanged{is_short, level == RoomLevel::kFull});
                   },
               .looked = [this](uint64_t bytes) { engine->set_free_bytes(bytes); }});
  reclaim->start();
  replica_loop->start(*replica, [this](Instant now, const std::vector<raft::RoleChange>& roles) {
    after_turn(now, roles);
  });
}

void Node::Parts::after_turn(Instant now, const std::vector<raft::RoleChange>& roles) {
  chronicle.note_roles(roles, replica->raft().members());
  const bool is_new_list = replica->raft().members() != followed;
  if (is_new_list) follow_members();
  // A change of members is on the board before it can be committed, and so before it is answered.
  if (is_new_list || !roles.empty() || now - published >= kPublishEvery) publish(now);
  gates->look_again(now);
  watchers->look(now);
  lock_waiters->look(now);
  event_readers->look(now);
  if (replica->raft().quarantine_is_due()) {
    repairs->begin_quarantine(replica->status());
    replica_loop->post(raft::QuarantineNoted{});
  } else if (repairs->any()) {
    repairs->settle(replica->status(), *log);
  }
}

void Node::Parts::follow_members() {
  followed = replica->raft().members();
  transport->set_peers(followed.list);
}

// On the apply thread. What could not be noted is known as long as the state is.
void Node::Parts::note_client_urls() {
  std::shared_ptr<const ClientUrls> urls = machine->client_urls();
  if (urls == noted_client_urls) return;
  noted_client_urls = std::move(urls);
  std::vector<std::string> others;
  for (const auto& [id, url] : *noted_client_urls)
    if (id != directory.identity().node) others.push_back(url);
  const Result<> noted = note_urls(fs, directory.group_path(kFirstGroup), others);
  if (!noted)
    log_warning("where clients reach the others was not noted: {}", noted.error().message);
}

void Node::Parts::publish(Instant now) {
  published = now;
  const std::shared_ptr<NodeStatus> status =
      own_status(directory.identity(), *replica, *machine, now);
  status->disk_free_bytes = room->free_bytes();
  chronicle.note_members(replica->raft().committed_members());
  chronicle.note(*status, now);
  if (is_outvoted(*status->check, status->agreement))
    suspicion->state_is_damaged(outvoted_text(*status->check, *status->agreement.majority));
  std::vector<raft::Proposal> own = announcer->due(now, *status);
  if (std::optional<Bytes> due = upkeep->due(now, status->raft))
    own.push_back({Gate::nobodys(random), now + kOwnPatience, *std::move(due)});
  if (std::optional<Bytes> due = hash_reporter->due(now, *status->check, status->members))
    own.push_back({Gate::nobodys(random), now + kOwnPatience, *std::move(due)});
  if (std::optional<Bytes> due = reclaim->due(now, status->raft))
    own.push_back({Gate::nobodys(random), now + kOwnPatience, *std::move(due)});
  if (!own.empty()) replica_loop->post(raft::Propose{std::move(own)});
  const bool is_out = status->raft.removed && status->raft.applied >= status->raft.commit;
  board.publish(status);
  if (is_out && !directory.identity().removed) leave();
}

// What this node still waits for will not come: who waits is told that the fate is not known. The
// answer to the removal itself came with the entry that was applied last.
void Node::Parts::leave() {
  const Result<> noted = directory.note_removal(fs);
  if (!noted) fatal(noted.error().message);
  gates->gate(0).abandon();
  drain->begin();
}

// Before anything that takes time: a signal that comes meanwhile is kept until it can be heeded.
void Node::Parts::prepare_drain() {
  drain = std::make_unique<Drain>(
      loop, clock, config.election_timeout,
      Drain::Seams{.give_leadership_up = [this] { replica_loop->post(raft::TransferLeader{}); },
                   .may_hand_over =
                       [this] {
                         return replica->status().role == raft::Role::kLeader &&
                                replica->raft().members().voters().size() > 1;
                       },
                   .refuse_connections =
                       [this] {
                         // Who follows the events is told that it stops.
                         if (event_readers) event_readers->look(clock.now());
                         listener->stop();
                         if (lock_waiters) lock_waiters->end();
                         connections->drain();
                       },
                   .connections = [this] { return connections->size(); },
                   .tell = tell});
}

NodeEnd Node::Parts::say_removed() const {
  log_error(
      "this node was removed from its cluster: empty {} and start it with --join to bring it back "
      "as a new member",
      config.data_dir);
  return NodeEnd::kRemoved;
}

Result<> Node::Parts::stop() {
  replica_loop->stop();
  if (faults) faults->let_disk_go();
  room->end_watch();
  reclaim.reset();
  scrub.reset();
  snapshots.reset();
  log.reset();
  applier.reset();
  // Requests that still wait are answered while their connections are there. An answer may let
  // another request begin, or a handler ask again: that is refused.
  gates->gate(0).end();
  watchers->end();
  lock_waiters->end();
  event_readers->end();
  loop.restart();
  loop.poll();
  connections->close_all();
  readers->stop();
  loop.restart();
  loop.poll();
  // A start finds the state whole, and has nothing to apply again, if there is room for that.
  if (room->has_room_to_flush()) HOLDFAST_TRY(engine->flush());
  log_info("stopped");
  return {};
}

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::open(const Config& config) {
  SystemClock clock;
  PosixFileSystem fs;
  const NodeId drawn{random_from_system()};
  // Who joins without a name must not be taken for the n1 that is there.
  const std::string name_if_none =
      config.join.empty() ? "n1" : fmt::format("n-{:08x}", drawn.value >> 32);
  HOLDFAST_ASSIGN(DataDirectory directory,
                  DataDirectory::open(fs, config.data_dir, config.name, drawn, name_if_none));
  auto parts = std::make_unique<Parts>(config, std::move(directory));
  const Identity& identity = parts->directory.identity();
  log_info("holdfastd {}: node {} ({:016x}), data in {}", HOLDFAST_VERSION, identity.name,
           identity.node.value, config.data_dir);
  HOLDFAST_ASSIGN(parts->room,
                  DiskRoom::open(parts->disk, config.data_dir, config.log_dir, parts->tell));
  parts->prepare_drain();
  HOLDFAST_TRY(parts->listen());
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

Result<NodeEnd> Node::run() {
  Parts& parts = *parts_;
  if (parts.directory.identity().removed) return parts.say_removed();
  HOLDFAST_ASSIGN(const bool is_member, parts.enter_cluster());
  if (!is_member)
    return parts.directory.identity().removed ? parts.say_removed() : NodeEnd::kStopped;
  HOLDFAST_TRY(parts.open_storage());
  parts.drain->begin_on_signal();
  parts.start_service();
  parts.chronicle.tell_serves(parts.config.listen);
  parts.loop.run();
  HOLDFAST_TRY(parts.stop());
  return parts.directory.identity().removed ? parts.say_removed() : NodeEnd::kStopped;
}

}  // namespace holdfast
