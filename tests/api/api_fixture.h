#pragma once

// The API over a replica that agrees with itself at once: changes go straight into a state machine
// over memory, reads are confirmed in the next turn. No socket and no second thread but readers.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json_fwd.hpp>

#include "server/api/event_readers.h"
#include "server/api/lock_waiters.h"
#include "server/api/readers.h"
#include "server/api/services.h"
#include "server/api/watchers.h"
#include "server/gate.h"
#include "server/http/request_body.h"
#include "server/http/router.h"
#include "server/metrics.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/memory_engine.h"
#include "tests/kv/engine_over.h"

namespace holdfast {

nlohmann::json json_of(const http::Response& response);

class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override {
    return WallTime(std::chrono::seconds(1'700'000'000)) +
           std::chrono::duration_cast<WallTime::duration>(now_ - ManualClock().now_);
  }
  void advance(Duration time) { now_ += time; }

 private:
  Instant now_{std::chrono::hours(1)};
};

// Answers kIncomplete to reads from memory as long as it is told to.
class ColdEngine final : public EngineOver {
 public:
  using EngineOver::EngineOver;
  bool cold = false;
  bool fails = false;  // every get is an error
  mutable int disk_reads = 0;
  std::function<void()> on_read;  // called in each get, scan and list of versions, before it reads

  Result<std::optional<Row>> get(std::string_view key, Revision at, ReadTier tier) const override;
  Result<> scan(const RangeScan& scan, const Visitor& visit) const override {
    if (on_read) on_read();
    return EngineOver::scan(scan, visit);
  }
  Result<> versions(std::string_view key, Revision floor, Revision at,
                    const VersionVisitor& visit) const override {
    if (on_read) on_read();
    return EngineOver::versions(key, floor, at, visit);
  }
};

using Headers = std::vector<std::pair<std::string, std::string>>;

class ApiTest : public testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  // The answer to one request, whatever it takes.
  http::Response call(std::string_view method, const std::string& target,
                      const std::string& body = "", const Headers& headers = {});
  // Begins a request; its answer stands in `answers` once it is there.
  size_t begin(std::string_view method, const std::string& target, const std::string& body = "",
               const Headers& headers = {});
  // The same with a body that the test sends piece by piece.
  struct Sending {
    size_t answer;  // where in `answers`
    std::shared_ptr<http::RequestBody> body;
  };
  Sending begin_sending(const std::string& target, const Headers& headers = {});
  // Lets everything go on that can.
  void settle();
  // Goes on until `happened`, or a deadline: for what readers do that no request waits for.
  void turn_until(const std::function<bool()>& happened);
  // Whether the stream of an answer has something to give, once everything has gone on that can.
  bool is_ready(const std::shared_ptr<http::BodyStream>& stream);
  // What the stream of an answer gives next.
  Result<std::string> next_of(const std::shared_ptr<http::BodyStream>& stream);
  // The same, without waiting for it.
  using Piece = std::optional<Result<std::string>>;
  void ask_for(const std::shared_ptr<http::BodyStream>& stream, std::shared_ptr<Piece> piece);
  std::string code_of(const http::Response& response);
  void publish(NodeStatus status);
  // What the leader does now and then: what is due goes.
  void expire();
  // A change by somebody else, applied at once.
  void obey(Command command);

  std::vector<std::optional<http::Response>> answers;
  std::optional<raft::RefusalReason> refuses;       // what the replica answers instead
  std::optional<raft::RefusalReason> refuses_next;  // the same, for one change
  std::function<void(const Command&)> on_apply;  // called when a change is made, before its answer
  std::function<void()> on_barrier;  // called when reads are confirmed, or refused, before they are
  std::string rejects;               // the leader has this against any change of members
  bool silent = false;               // the replica answers nothing
  int barriers = 0;
  std::vector<NodeId> transfers;     // of the leadership, asked of the replica
  std::optional<NodeId> new_leader;  // what a transfer brings
  ManualClock clock;
  ColdEngine engine{memory_};
  Services services;
  bool client_has_gone = false;  // that of each request which began while this was false, too
  Watchers& watchers() { return *watchers_; }
  LockWaiters& lock_waiters() { return *lock_waiters_; }
  boost::asio::io_context& loop() { return loop_; }
  const http::Router& router() const { return router_; }
  EventReaders& event_readers() { return *event_readers_; }
  Events events{clock, 0xabc};
  NodeStatus status;

 private:
  void turn();
  void submit(raft::Input input);
  void apply(const raft::Propose& propose);
  // Given 1 ms, on disk 1.5 ms, settled 3 ms from now.
  raft::Trace trace_of(RequestId request) const;
  // As the next entry of the log, with the leader's time.
  std::vector<Completion> apply_entry(RequestId request, EntryKind kind, Bytes payload);
  uint64_t cluster_ms() const;
  // The payload of the entry that the leader makes; nothing: it refused.
  std::optional<Bytes> judged(const raft::Proposal& proposal);

  boost::asio::io_context loop_{1};
  MemoryEngine memory_;
  std::unique_ptr<KvStateMachine> machine_;
  LogIndex applied_;
  StatusBoard board_;
  Metrics metrics_;
  Readers readers_{1};
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Watchers> watchers_;
  std::unique_ptr<LockWaiters> lock_waiters_;
  std::unique_ptr<EventReaders> event_readers_;
  std::map<http::BodyStream*, std::shared_ptr<std::optional<bool>>> awaited_;
  http::Router router_;
  size_t running_ = 0;
};

}  // namespace holdfast
