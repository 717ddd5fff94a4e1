#include "client/cli/importer.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <set>

#include <fmt/format.h>

namespace holdfast::cli {
namespace {

// Enough that a lane never waits for the reader, little enough to stay out of memory's way.
constexpr size_t kWaitingMax = 512;
constexpr size_t kWaitingBytesMax = size_t{4} << 20;
// Of one request: many hide the way there and back, few keep the pauses of a failover short.
constexpr size_t kTogetherMax = 256;
constexpr size_t kTogetherBytesMax = size_t{1} << 20;
constexpr Duration kPauseAfterRefusal = std::chrono::milliseconds(50);

struct Job {
  uint64_t line;
  Record record;
};

size_t size_of(const Job& job) {
  return job.record.key.size() + job.record.value.size();
}

std::string put_line(const Record& record) {
  return fmt::format("{{\"put\":{{{},{}}}}}\n", json_member("key", record.key),
                     json_member("value", record.value));
}

}  // namespace

// One connection, the thread that uses it, and the records that wait for it.
class Importer::Lane {
 public:
  Lane(Importer& importer, size_t number)
      : importer_(importer), client_(make_kv_client(client_options(importer.options_, number))) {
    thread_ = std::thread([this] { run(); });
  }

  ~Lane() {
    if (thread_.joinable()) {
      abandon();
      thread_.join();
    }
  }

  bool put(Job job) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] {
      return is_abandoned_ || jobs_.empty() ||
             (jobs_.size() < kWaitingMax && waiting_bytes_ < kWaitingBytesMax);
    });
    if (is_abandoned_) return false;
    waiting_bytes_ += size_of(job);
    jobs_.push_back(std::move(job));
    changed_.notify_all();
    return true;
  }

  // No more records come.
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    changed_.notify_all();
  }

  // Whatever waits is not sent any more.
  void abandon() {
    const std::lock_guard lock(mutex_);
    is_abandoned_ = true;
    changed_.notify_all();
  }

  void join() { thread_.join(); }

  // After join().
  CallCounts counts() const {
    CallCounts counts = client_.counts();
    counts.repeated += repeated_;
    return counts;
  }

 private:
  static KvClientOptions client_options(const ImportOptions& options, size_t number) {
    KvClientOptions client = options.client;
    client.first_endpoint = number % client.endpoints.size();
    return client;
  }

  void run() {
    for (std::vector<Job> jobs = take(); !jobs.empty(); jobs = take()) {
      if (!store(std::move(jobs))) return;
    }
  }

  // What waits, as far as it goes into one request; nothing: that was all.
  std::vector<Job> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_abandoned_ || is_closed_ || !jobs_.empty(); });
    std::vector<Job> taken;
    if (is_abandoned_) return taken;
    size_t bytes = 0;
    while (!jobs_.empty() && taken.size() < kTogetherMax && bytes < kTogetherBytesMax) {
      bytes += size_of(jobs_.front());
      taken.push_back(std::move(jobs_.front()));
      jobs_.pop_front();
    }
    waiting_bytes_ -= bytes;
    changed_.notify_all();
    return taken;
  }

  // Tries until all are acknowledged. False: one cannot be, or the import was given up.
  bool store(std::vector<Job> jobs) {
    const Instant began = importer_.clock_.now();
    while (true) {
      std::vector<std::string> lines;
      lines.reserve(jobs.size());
      for (const Job& job : jobs) lines.push_back(put_line(job.record));
      const std::vector<WriteOutcome<BulkAnswer>> outcomes = client_.bulk(lines);
      std::vector<Job> again;
      std::set<std::string_view> keys;  // of `again`
      for (size_t i = 0; i < jobs.size(); ++i) {
        const bool is_stored = std::holds_alternative<BulkAnswer>(outcomes[i]);
        if (!is_stored && is_hopeless(outcomes[i])) return give_up(jobs[i], outcomes[i]);
        // Behind one of the same key that is put again, it would be covered by an older value.
        if (is_stored && !keys.contains(jobs[i].record.key)) {
          importer_.journal_.acknowledged(began);
        } else {
          again.push_back(jobs[i]);
          keys.insert(jobs[i].record.key);
        }
      }
      if (again.empty()) return true;
      repeated_ += again.size();
      if (!pause()) return false;
      jobs = std::move(again);
    }
  }

  bool is_hopeless(const WriteOutcome<BulkAnswer>& outcome) const {
    const auto* const refusal = std::get_if<Refusal>(&outcome);
    return (refusal != nullptr && !refusal->retryable) || is_patience_over();
  }

  bool is_patience_over() const {
    return importer_.journal_.quiet_for() > importer_.options_.patience;
  }

  bool give_up(const Job& job, const WriteOutcome<BulkAnswer>& outcome) {
    Refusal refusal{.code = "outcome_unknown", .retryable = true, .message = {}};
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) refusal.message = unknown->message;
    if (const auto* told = std::get_if<Refusal>(&outcome)) refusal = *told;
    importer_.fail_once(job.line, std::move(refusal));
    return false;
  }

  // False: the import was given up meanwhile.
  bool pause() {
    std::unique_lock lock(mutex_);
    const Duration pause = random_.between(kPauseAfterRefusal / 10, kPauseAfterRefusal);
    return !changed_.wait_for(lock, pause, [this] { return is_abandoned_; });
  }

  Importer& importer_;
  std::thread thread_;
  // Of the lane's thread.
  KvClient client_;
  Random random_{random_from_system()};
  uint64_t repeated_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Under the mutex.
  std::deque<Job> jobs_;
  size_t waiting_bytes_ = 0;
  bool is_closed_ = false;
  bool is_abandoned_ = false;
};

Importer::Importer(ImportOptions options) : options_(std::move(options)), journal_(clock_) {
  for (size_t i = 0; i < options_.connections; ++i) {
    lanes_.push_back(std::make_unique<Lane>(*this, i));
  }
}

Importer::~Importer() = default;

bool Importer::submit(uint64_t line, Record record) {
  if (failed()) return false;
  Lane& lane = *lanes_[std::hash<std::string>{}(record.key) % lanes_.size()];
  return lane.put({line, std::move(record)});
}

std::optional<ImportFailure> Importer::finish() {
  for (const auto& lane : lanes_) lane->close();
  for (const auto& lane : lanes_) lane->join();
  return failure_;
}

CallCounts Importer::counts() const {
  CallCounts total;
  for (const auto& lane : lanes_) {
    const CallCounts counts = lane->counts();
    total.sent += counts.sent;
    total.refused += counts.refused;
    total.unknown += counts.unknown;
    total.repeated += counts.repeated;
  }
  return total;
}

bool Importer::failed() const {
  const std::lock_guard lock(mutex_);
  return failure_.has_value();
}

void Importer::fail_once(uint64_t line, Refusal refusal) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    failure_ = ImportFailure{line, std::move(refusal)};
  }
  for (const auto& lane : lanes_) lane->abandon();
}

}  // namespace holdfast::cli
