// The log thread of a node, and what befalls its disk.

#include <fmt/format.h>

#include "storage/log/record.h"
#include "tests/sim/sim_node.h"

namespace holdfast::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// A batch whose header lies before another's: the later one proves that it was synced, whatever
// the crash has left of that one.
bool SimNode::damage_log() {
  struct Batch {
    std::string file;
    uint64_t offset;
    uint64_t bytes;
    bool is_marker;
  };
  std::vector<Batch> batches;
  const std::map<std::string, std::string> files = files_.files();
  for (const auto& [path, bytes] : files) {
    const auto segment = decode_segment_header(std::string_view(bytes).substr(0, kLogBlockBytes));
    const bool is_in_use = path.ends_with(".log") && !path.ends_with("spare.log");
    if (!segment || !is_in_use) continue;
    for (uint64_t at = kLogBlockBytes; at < bytes.size();) {
      const auto header = decode_batch_header(std::string_view(bytes).substr(at),
                                              {segment->salt, segment->number, at});
      if (!header) break;
      batches.push_back({path, at, BatchHeader::kBytes + header->body_bytes, header->records == 0});
      if (header->records == 0) break;
      at += header->bytes_on_disk();
    }
  }
  if (!batches.empty()) batches.pop_back();  // nothing proves that it was synced
  std::erase_if(batches, [](const Batch& batch) { return batch.is_marker; });  // holds nothing
  if (batches.empty()) return false;
  // Behind the newest ones nothing may repeat what they say of elections.
  const Batch& batch =
      watch_.random.chance(0.3) ? batches.back() : batches[watch_.random.below(batches.size())];
  std::string bytes = files.at(batch.file);
  const uint64_t at = batch.offset + watch_.random.below(batch.bytes);
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << watch_.random.below(8)));
  if (watch_.random.chance(0.3)) {  // a write that went astray: a whole block is another
    const uint64_t block = at / kLogBlockBytes * kLogBlockBytes;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(block), kLogBlockBytes, '\x5a');
  }
  files_.place(batch.file, std::move(bytes));
  watch_.line(id_, [&] { return fmt::format("{} is damaged at byte {}", batch.file, at); });
  damaged_ = true;
  return true;
}

void SimNode::damage_state() {
  watch_.line(id_, [] { return std::string("its state is damaged"); });
  watch_.marks.reach(Mark::kStateDamaged);
  engine_ = std::make_unique<MemoryEngine>();
  applied_at_crash_ = {};
  rebuilds_ = true;
  if (watch_.random.chance(0.3)) noted_members_.reset();
  watch_.invariants.lost_state(id_);
}

void SimNode::slow_disk(Duration length) {
  watch_.marks.reach(Mark::kSlowDisk);
  slow_until_ = watch_.agenda.now() + length;
}

void SimNode::stall_disk(Duration length) {
  if (!replica_) return;
  watch_.line(id_,
              [&] { return fmt::format("its disk stalls for {} ms", length / milliseconds(1)); });
  watch_.marks.reach(Mark::kStalledDisk);
  stalled_until_ = watch_.agenda.now() + length;
}

// The log thread: takes what waits, or a part of it.
void SimNode::work_disk() {
  if (disk_works_ || orders_.empty()) return;
  disk_works_ = true;
  after(watch_.random.between(Duration{}, Duration(microseconds(50))), [this] {
    std::vector<LogWrite> writes;
    std::vector<LoadOrder> loads;
    const size_t most = watch_.random.between(uint64_t{1}, orders_.size());
    while (writes.size() + loads.size() < most) {
      if (const LoadOrder* load = std::get_if<LoadOrder>(&orders_.front())) {
        loads.push_back(*load);
      } else {
        LogWrite& write = std::get<LogWrite>(orders_.front());
        // A load sees none of the cuts that were ordered after it.
        if (write.cut_from && !loads.empty()) break;
        writes.push_back(std::move(write));
      }
      orders_.pop_front();
    }
    sync_disk(std::move(writes), std::move(loads));
  });
}

void SimNode::sync_disk(std::vector<LogWrite> writes, std::vector<LoadOrder> loads) {
  if (writes.empty()) {
    answer_loads(loads);
    disk_works_ = false;
    work_disk();
    return;
  }
  if (Result<> written = log_->write(writes); !written) return died_of("write", written.error());
  Duration delay = watch_.draw(watch_.plan.disk.sync);
  if (watch_.agenda.now() < slow_until_) delay += watch_.draw(watch_.plan.faults.slow_sync);
  if (!healed_ && watch_.random.chance(watch_.plan.faults.crash_in_write))
    return after(watch_.random.between(Duration{}, delay), [this] { outside_.wants_crash(id_); });
  const WriteTicket last = writes.back().ticket;
  after(delay, [this, last, orders = std::move(loads)] { finish_sync(last, orders); });
}

void SimNode::finish_sync(WriteTicket last, const std::vector<LoadOrder>& loads) {
  if (watch_.agenda.now() < stalled_until_ || waits_for_room_)
    return after(milliseconds(20), [this, last, loads] { finish_sync(last, loads); });
  if (Result<> synced = log_->sync(); !synced) return died_of("sync", synced.error());
  watch_.invariants.persisted(id_, last);
  watch_.line(id_, [&] { return fmt::format("persisted ticket={}", last.value); });
  give(raft::Persisted{last});
  answer_loads(loads);
  for (std::string& file : log_->let_go()) let_go_.push_back(std::move(file));
  if (!let_go_.empty() && watch_.random.chance(0.5)) {
    watch_.marks.reach(Mark::kLogCut);
    if (Result<> removed = log_->remove(std::exchange(let_go_, {})); !removed)
      return died_of("remove", removed.error());
  }
  if (log_->wants_spare() && watch_.random.chance(0.5)) {
    const Result<> made = log_->prepare_spare();
    if (!made && made.error().code != ErrorCode::kNoSpace) return died_of("spare", made.error());
  }
  disk_works_ = false;
  if (orders_.empty() && watch_.random.chance(0.3)) {
    if (Result<> marked = log_->write_marker(); !marked) return died_of("mark", marked.error());
  }
  work_disk();
}

void SimNode::answer_loads(const std::vector<LoadOrder>& loads) {
  for (const LoadOrder& order : loads) {
    Result<std::vector<EntryPtr>> entries = log_->read(order);
    if (!entries && entries.error().code == ErrorCode::kNotFound) {
      watch_.marks.reach(Mark::kLoadTooLate);
      entries = std::vector<EntryPtr>();
    }
    if (!entries) return died_of("load", entries.error());
    watch_.invariants.loaded(*entries);
    after(watch_.random.between(Duration{}, Duration(milliseconds(2))),
          [this, order, found = *std::move(entries)]() mutable {
            give(raft::Loaded{order.destination, std::move(found)});
          });
  }
}

void SimNode::died_of(const char* what, const Error& error) {
  watch_.invariants.fail("the disk does what it is asked",
                         fmt::format("node {}: {}: {}", id_.value, what, error.message));
}

}  // namespace holdfast::sim
