#include "server/metrics.h"

#include <algorithm>
#include <array>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "server/api/answers.h"
#include "server/api/cluster.h"
#include "storage/base/check.h"

namespace holdfast {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr std::array<const char*, 20> kCallNames = {
    "get",     "put",      "delete", "scan",  "delete_range", "cluster", "leader",
    "members", "snapshot", "leases", "txn",   "settings",     "history", "compact",
    "usage",   "watch",    "faults", "locks", "bulk",         "events"};
static_assert(kCallNames.size() == static_cast<size_t>(Call::kEvents) + 1);
constexpr std::array<const char*, 6> kStatusClasses = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};

Histogram::BucketBoundaries latency_buckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
          0.025,  0.05,    0.1,    0.25,  0.5,    1.0,   5.0};
}

double number(uint64_t value) {
  return static_cast<double>(value);
}

// They are counted where they are told.
prometheus::MetricFamily events_told(const Events& events) {
  prometheus::MetricFamily told{"holdfast_events_total",
                                "What happened to this node, by kind, as GET /v1/events tells it",
                                prometheus::MetricType::Counter,
                                {}};
  for (size_t place = 0; place < kEventKinds; ++place) {
    const auto kind = static_cast<EventKind>(place);
    prometheus::ClientMetric metric;
    metric.label.push_back({"kind", std::string(name_of(kind))});
    metric.counter.value = number(events.count(kind));
    told.metric.push_back(std::move(metric));
  }
  return told;
}

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  std::array<std::array<Counter*, kStatusClasses.size()>, kCallNames.size()> answers{};
  std::array<Histogram*, kCallNames.size()> seconds{};
  prometheus::Family<Gauge>& node = prometheus::BuildGauge()
                                        .Name("holdfast_node_info")
                                        .Help("1 for what this node is now")
                                        .Register(registry);

  Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }
  Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
  }
  Gauge& is_leader = gauge("holdfast_is_leader", "1 if this node is the leader");
  Gauge& has_leader = gauge("holdfast_has_leader", "1 if this node knows a leader");
  Gauge& quorum = gauge("holdfast_has_quorum", "1 if a majority is in contact, as far as known");
  Gauge& term = gauge("holdfast_term", "Raft's term");
  Gauge& last = gauge("holdfast_log_last_index", "Index of the last entry in the log");
  Gauge& persisted = gauge("holdfast_log_persisted_index", "Index up to which the log is on disk");
  Gauge& commit = gauge("holdfast_commit_index", "Index up to which entries are committed");
  Gauge& applied = gauge("holdfast_applied_index", "Index up to which entries are applied");
  Gauge& durable = gauge("holdfast_durable_index", "Index of the state that a restart would find");
  Gauge& revision = gauge("holdfast_revision", "Revision of the store");
  Gauge& history_floor =
      gauge("holdfast_history_floor", "Oldest revision whose state can still be read");
  Gauge& disk_free =
      gauge("holdfast_disk_free_bytes", "Free on the disk of state or log, the least");
  Gauge& short_of_room = gauge("holdfast_short_of_room", "1 if this node's disk is short of room");
  Gauge& refuses_growth = gauge("holdfast_refuses_growth", "1 while growing writes are refused");
  Counter& scrubbed = counter("holdfast_scrub_bytes_total", "Bytes read back by the scrub");
  Counter& scrubs = counter("holdfast_scrubs_total", "How often the scrub has read back all files");
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {
  auto& answers = prometheus::BuildCounter()
                      .Name("holdfast_answers_total")
                      .Help("Answers to calls of /v1, by call and class of status")
                      .Register(families_->registry);
  auto& seconds = prometheus::BuildHistogram()
                      .Name("holdfast_call_seconds")
                      .Help("From a call's last byte to its answer")
                      .Register(families_->registry);
  for (size_t call = 0; call < kCallNames.size(); ++call) {
    families_->seconds[call] = &seconds.Add({{"call", kCallNames[call]}}, latency_buckets());
    for (size_t status = 1; status < kStatusClasses.size(); ++status) {
      families_->answers[call][status] =
          &answers.Add({{"call", kCallNames[call]}, {"status", kStatusClasses[status]}});
    }
  }
}

Metrics::~Metrics() = default;

void Metrics::count(Call call, int status, Duration took) {
  const auto place = static_cast<size_t>(call);
  const auto status_class = static_cast<size_t>(status / 100);
  CHECK(status_class >= 1 && status_class < kStatusClasses.size(), "status {}", status);
  families_->answers[place][status_class]->Increment();
  families_->seconds[place]->Observe(std::chrono::duration<double>(took).count());
}

void Metrics::count_scrubbed(uint64_t bytes) {
  families_->scrubbed.Increment(number(bytes));
}

void Metrics::count_scrub() {
  families_->scrubs.Increment();
}

std::string Metrics::render(const NodeStatus& status, const Events& events, Instant now) {
  Families& f = *families_;
  f.node.Add({{"name", status.name}, {"version", HOLDFAST_VERSION}}).Set(1);
  f.is_leader.Set(status.raft.role == raft::Role::kLeader ? 1 : 0);
  f.has_leader.Set(status.raft.leader ? 1 : 0);
  f.quorum.Set(has_quorum(status, now) ? 1 : 0);
  f.term.Set(number(status.raft.term.value));
  f.last.Set(number(status.raft.last.index.value));
  f.persisted.Set(number(status.raft.persisted.value));
  f.commit.Set(number(status.raft.commit.value));
  f.applied.Set(number(status.raft.applied.value));
  f.durable.Set(number(status.durable.value));
  f.revision.Set(number(status.revision.value));
  f.history_floor.Set(number(status.history_floor.value));
  f.disk_free.Set(number(status.disk_free_bytes));
  f.short_of_room.Set(status.raft.short_of_room ? 1 : 0);
  f.refuses_growth.Set(status.raft.refuses_growth ? 1 : 0);
  std::vector<prometheus::MetricFamily> families = f.registry.Collect();
  // Made anew each time: who is no follower any more must not stay.
  prometheus::MetricFamily lag{"holdfast_follower_lag_entries",
                               "Entries that a follower has not confirmed; on the leader",
                               prometheus::MetricType::Gauge,
                               {}};
  for (const raft::FollowerStatus& follower : status.raft.followers) {
    const raft::Member* member = status.members.find(follower.id);
    prometheus::ClientMetric metric;
    metric.label.push_back({"follower", member ? member->name : text_of(follower.id.value)});
    const uint64_t last = status.raft.last.index.value;
    metric.gauge.value = number(last - std::min(last, follower.match.value));
    lag.metric.push_back(std::move(metric));
  }
  if (!lag.metric.empty()) families.push_back(std::move(lag));
  families.push_back(events_told(events));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace holdfast
