#include "client/cli/importer.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>

namespace holdfast::cli {
namespace {

// Enough that a lane never waits for the reader, little enough to stay out of memory's way.
constexpr size_t kWaitingMax = 64;
constexpr size_t kWaitingBytesMax = size_t{4} << 20;
constexpr Duration kPauseAfterRefusal = std::chrono::milliseconds(50);

struct Job {
  uint64_t line;
  Record record;
};

size_t size_of(const Job& job) {
  return job.record.key.size() + job.record.value.size();
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
    // A record is put again as it is; its key would only take up room in the cluster.
    client.repeats_unknown = false;
    return client;
  }

  void run() {
    while (std::optional<Job> job = take()) {
      if (!store(*job)) return;
    }
  }

  std::optional<Job> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_abandoned_ || is_closed_ || !jobs_.empty(); });
    if (is_abandoned_ || jobs_.empty()) return std::nullopt;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    waiting_bytes_ -= size_of(job);
    changed_.notify_all();
    return job;
  }

  // Tries until it is acknowledged. False: it cannot be, or the import was given up.
  bool store(const Job& job) {
    const Instant began = importer_.clock_.now();
    while (true) {
      const WriteOutcome<PutAnswer> outcome = client_.put(job.record.key, job.record.value);
      if (std::holds_alternative<PutAnswer>(outcome)) {
        importer_.journal_.acknowledged(began);
        return true;
      }
      if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
        const bool is_hopeless = !refusal->retryable || is_patience_over();
        if (is_hopeless) return give_up(job, *refusal);
      } else if (is_patience_over()) {
        const std::string& why = std::get<Unknown>(outcome).message;
        return give_up(job, {.code = "outcome_unknown", .retryable = true, .message = why});
      }
      ++repeated_;
      if (!pause()) return false;
    }
  }

  bool is_patience_over() const {
    return importer_.journal_.quiet_for() > importer_.options_.patience;
  }

  bool give_up(const Job& job, Refusal refusal) {
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
