#include "tests/api/api_fixture.h"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "server/api/routes.h"
#include "server/http/body_stream.h"
#include "storage/base/check.h"
#include "tests/api/document_fixture.h"

namespace holdfast {

nlohmann::json json_of(const http::Response& response) {
  return nlohmann::json::parse(response.body);
}
namespace {

constexpr NodeId kSelf{7};

// Whatever is answered here, the document of the API says that it may be.
Detached run(Task<http::Response> handler, std::optional<http::Response>& answer, size_t& running,
             http::Method method, std::string target) {
  answer = co_await handler;
  EXPECT_EQ(objection_to(method, target, *answer), "") << answer->body;
  --running;
}

Detached await_ready(std::shared_ptr<http::BodyStream> stream,
                     std::shared_ptr<std::optional<bool>> ready) {
  Task<bool> waiting = stream->ready();
  *ready = co_await waiting;
}

Detached ask(std::shared_ptr<http::BodyStream> stream,
             std::shared_ptr<std::optional<Result<std::string>>> piece) {
  Task<Result<std::string>> next = stream->next();
  *piece = co_await next;
}

}  // namespace

Result<std::optional<Row>> ColdEngine::get(std::string_view key, Revision at, ReadTier tier) const {
  if (on_read) on_read();
  if (fails) return fail(ErrorCode::kIo, "the disk says no");
  if (tier == ReadTier::kMemory && cold) return fail(ErrorCode::kIncomplete, "not in memory");
  if (tier == ReadTier::kDisk) ++disk_reads;
  return EngineOver::get(key, at, tier);
}

ApiTest::ApiTest() {
  auto machine = KvStateMachine::open(memory_);
  CHECK(machine.has_value());
  machine_ = std::move(*machine);
  Gate::Wiring wiring{
      .defer = [this](std::function<void()> act) { boost::asio::post(loop_, std::move(act)); },
      .submit = [this](raft::Input input) { submit(std::move(input)); },
      .revision = [this] { return machine_->revision(); }};
  gate_ = std::make_unique<Gate>(std::move(wiring), 1000, 0);
  services.gate = gate_.get();
  services.engine = &engine;
  services.machine = machine_.get();
  services.status = &board_;
  services.clock = &clock;
  services.events = &events;
  services.loop = &loop_;
  services.readers = &readers_;
  services.metrics = &metrics_;
  watchers_ = std::make_unique<Watchers>(services);
  services.watchers = watchers_.get();
  lock_waiters_ = std::make_unique<LockWaiters>(services);
  services.lock_waiters = lock_waiters_.get();
  event_readers_ = std::make_unique<EventReaders>(services);
  services.event_readers = event_readers_.get();
  services.value_bytes_max = size_t{8} << 20;
  add_routes(router_);
  status.self = kSelf;
  status.name = "n1";
  status.cluster = {0xabc};
  status.raft = {.role = raft::Role::kLeader, .term = {3}, .leader = kSelf};
  status.client_urls = {{kSelf, "http://127.0.0.1:4653"}};
  status.members.list = {{kSelf, "n1", "127.0.0.1:4654", true}};
  publish(status);
  answers.reserve(10'000);  // `run` keeps references into it
}

ApiTest::~ApiTest() {
  gate_->end();
  watchers_->end();
  lock_waiters_->end();
  event_readers_->end();
  settle();
  answers.clear();
  readers_.stop();
  settle();
}

void ApiTest::publish(NodeStatus next) {
  board_.publish(std::make_shared<const NodeStatus>(std::move(next)));
}

void ApiTest::submit(raft::Input input) {
  if (silent) return;
  if (const auto* transfer = std::get_if<raft::TransferLeader>(&input)) {
    transfers.push_back(transfer->target);
    if (new_leader) status.raft.leader = *new_leader;
    publish(status);
  } else if (const auto* propose = std::get_if<raft::Propose>(&input)) {
    boost::asio::post(loop_, [this, propose = *propose] { apply(propose); });
  } else if (const auto* reads = std::get_if<raft::ReadBarrier>(&input)) {
    ++barriers;
    boost::asio::post(loop_, [this, reads = *reads] {
      if (on_barrier) on_barrier();
      for (const raft::ReadTicket& read : reads.reads) {
        if (refuses) {
          gate_->refuse({{read.request, *refuses}});
        } else {
          raft::Trace trace = trace_of(read.request);
          trace.persisted.reset();
          if (read.tracing == raft::Tracing::kTraced) gate_->trace({trace});
          gate_->readable({read.request});
        }
      }
    });
  }
}

void ApiTest::apply(const raft::Propose& propose) {
  for (const raft::Proposal& proposal : propose.proposals) {
    const auto refusal = refuses_next ? std::exchange(refuses_next, std::nullopt) : refuses;
    if (refusal) {
      gate_->refuse({{proposal.request, *refusal}});
      continue;
    }
    if (proposal.tracing == raft::Tracing::kTraced) gate_->trace({trace_of(proposal.request)});
    const std::optional<Bytes> payload = judged(proposal);
    if (!payload) continue;
    const std::vector<Completion> completions =
        apply_entry(proposal.request, proposal.kind, *payload);
    for (const auto& [node, url] : *machine_->client_urls()) status.client_urls[node] = url;
    publish(status);
    if (on_apply && proposal.kind == EntryKind::kCommand)
      on_apply(decode_command(payload->view()).value());
    gate_->complete(completions);
  }
}

raft::Trace ApiTest::trace_of(RequestId request) const {
  const Instant now = clock.now();
  const bool is_elsewhere = status.raft.leader != kSelf;
  const auto persisted =
      is_elsewhere ? std::nullopt : std::optional(now + std::chrono::microseconds(1500));
  return {request, is_elsewhere, now + std::chrono::milliseconds(1), persisted,
          now + std::chrono::milliseconds(3)};
}

std::vector<Completion> ApiTest::apply_entry(RequestId request, EntryKind kind, Bytes payload) {
  applied_ = applied_ + 1;
  status.raft.cluster_ms = cluster_ms();
  status.taken = clock.now();
  const auto entry =
      std::make_shared<const LogEntry>(LogEntry{applied_,
                                                {1},
                                                kind,
                                                {kSelf, request},
                                                std::move(payload),
                                                {status.raft.cluster_ms, wall_ms(clock)}});
  std::vector<Completion> completions;
  machine_->apply(std::vector<EntryPtr>{entry}, kSelf, completions);
  publish(status);
  return completions;
}

uint64_t ApiTest::cluster_ms() const {
  return static_cast<uint64_t>((clock.now() - ManualClock().now()) / std::chrono::milliseconds(1));
}

void ApiTest::expire() {
  while (std::optional<Bytes> due = machine_->upkeep(cluster_ms()))
    apply_entry({}, EntryKind::kCommand, *std::move(due));
}

void ApiTest::obey(Command command) {
  apply_entry({}, EntryKind::kCommand, encode_command(std::move(command)));
}

std::optional<Bytes> ApiTest::judged(const raft::Proposal& proposal) {
  if (proposal.kind != EntryKind::kMembers) return proposal.payload;
  const Result<raft::MemberChange> change = raft::decode_change(proposal.payload.view());
  CHECK(change.has_value());
  const Result<raft::Members> next = status.members.with(*change);
  const std::string against = !rejects.empty() ? rejects : next ? "" : next.error().message;
  if (!against.empty()) {
    gate_->refuse({{proposal.request, raft::RefusalReason::kRejected, against}});
    return std::nullopt;
  }
  status.members = *next;
  publish(status);
  return raft::encode_members(*next);
}

size_t ApiTest::begin(std::string_view method, const std::string& target, const std::string& body,
                      const Headers& headers) {
  http::Request request(http::method_of(method), target);
  for (const auto& [name, value] : headers) request.add_header(name, value);
  request.body = body;
  request.caller =
      http::Caller([](const void* gone, uint64_t) { return *static_cast<const bool*>(gone); },
                   &client_has_gone, 0);
  CHECK(answers.size() < answers.capacity());
  std::optional<http::Response>& answer = answers.emplace_back();
  auto route = router_.match(request);
  if (!route) {
    answer = std::move(route).error();
    return answers.size() - 1;
  }
  ++running_;
  const http::Method verb = request.method();
  run((*route)->handler(services, std::move(request)), answer, running_, verb, target);
  return answers.size() - 1;
}

ApiTest::Sending ApiTest::begin_sending(const std::string& target, const Headers& headers) {
  http::Request request(http::Method::kPost, target);
  for (const auto& [name, value] : headers) request.add_header(name, value);
  constexpr size_t kRoom = size_t{256} << 10;
  http::RequestBody::Wiring wiring{
      .defer = [this](std::function<void()> act) { boost::asio::post(loop_, std::move(act)); },
      .has_room = [] {}};
  request.incoming = std::make_shared<http::RequestBody>(kRoom, std::move(wiring));
  std::shared_ptr<http::RequestBody> body = request.incoming;
  auto route = router_.match(request);
  CHECK(route.has_value() && (*route)->body == http::BodyForm::kStreamed);
  CHECK(answers.size() < answers.capacity());
  std::optional<http::Response>& answer = answers.emplace_back();
  ++running_;
  run((*route)->handler(services, std::move(request)), answer, running_, http::Method::kPost,
      target);
  return {answers.size() - 1, std::move(body)};
}

void ApiTest::settle() {
  // A reader thread posts at its own time; nothing else here waits for anything but the loop.
  const auto deadline = SystemClock().now() + std::chrono::seconds(20);
  do {
    turn();
  } while ((running_ > gate_->waiting() + lock_waiters_->waiting() || watchers_->is_behind() ||
            lock_waiters_->is_behind()) &&
           SystemClock().now() < deadline);
}

void ApiTest::turn() {
  watchers_->look(clock.now());
  lock_waiters_->look(clock.now());
  event_readers_->look(clock.now());
  loop_.restart();
  loop_.run_for(std::chrono::milliseconds(1));
  // A machine that was busy elsewhere may have left ready work behind.
  loop_.restart();
  loop_.poll();
}

void ApiTest::turn_until(const std::function<bool()>& happened) {
  const auto deadline = SystemClock().now() + std::chrono::seconds(20);
  while (!happened() && SystemClock().now() < deadline) turn();
}

bool ApiTest::is_ready(const std::shared_ptr<http::BodyStream>& stream) {
  // As the session does: not once more before that has been answered.
  std::shared_ptr<std::optional<bool>>& ready = awaited_[stream.get()];
  if (!ready) {
    ready = std::make_shared<std::optional<bool>>();
    await_ready(stream, ready);
  }
  settle();
  if (!*ready) return false;
  const bool has_more = **ready;
  ready.reset();
  return has_more;
}

void ApiTest::ask_for(const std::shared_ptr<http::BodyStream>& stream,
                      std::shared_ptr<Piece> piece) {
  ask(stream, std::move(piece));
}

Result<std::string> ApiTest::next_of(const std::shared_ptr<http::BodyStream>& stream) {
  const auto piece = std::make_shared<Piece>();
  ask_for(stream, piece);
  turn_until([&] { return piece->has_value(); });
  CHECK(piece->has_value());
  return **piece;
}

http::Response ApiTest::call(std::string_view method, const std::string& target,
                             const std::string& body, const Headers& headers) {
  const size_t number = begin(method, target, body, headers);
  settle();
  CHECK(answers[number].has_value(), "{} {} has no answer", method, target);
  return std::move(*answers[number]);
}

std::string ApiTest::code_of(const http::Response& response) {
  return nlohmann::json::parse(response.body).at("code").get<std::string>();
}

}  // namespace holdfast
