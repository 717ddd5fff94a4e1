#pragma once

// What happens to a node beside its requests: elections, members that come and go, disks that fall
// silent. It is told once, to `Events`, which makes the log's line of it and keeps it for those who
// follow (GET /v1/events). What is nobody's concern but that of who reads the log is said to the
// log alone.

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/log.h"

namespace holdfast {

enum class EventKind : uint8_t {
  kProcess,     // it serves; it stops
  kElection,    // this node stands
  kRole,        // it leads, or follows another
  kHandover,    // as the leader it gives the leadership away, or keeps it after all
  kMembership,  // somebody is a member now, or is not, or votes
  kContact,     // as the leader it has lost a member, or has it again
  kSnapshot,    // a state is sent to a node that lacks too much, or arrives
  kBackup,      // a client takes one
  kFence,       // the disk has stopped answering, or answers again
  kQuarantine,  // the log has lost entries, or has them again
  kRebuild,     // the state was damaged, or is whole again
  kAgreement,   // states differ that must be equal
  kGrowth,      // growing writes are refused, or taken again
  kRoom,        // of a disk of this node
};
inline constexpr size_t kEventKinds = static_cast<size_t>(EventKind::kRoom) + 1;
std::string_view name_of(EventKind kind);

struct Event {
  using Value = std::variant<std::string, uint64_t, bool>;

  EventKind kind;
  LogLevel level = LogLevel::kInfo;
  std::string text;                                     // a sentence, for people
  std::vector<std::pair<std::string, Value>> fields{};  // the same, for programs
};

// Where a part says what happened; any thread, and returns at once.
using TellEvent = std::function<void(Event)>;
// For who has nobody to tell but the log.
void log_event(const Event& event);

class Events {
 public:
  // More than that is forgotten, the oldest first.
  static constexpr size_t kKeptMax = 1024;
  // What a sentence, or the text of a field, has more is cut off; the log has it all.
  static constexpr size_t kTextBytesMax = 1024;

  struct Kept {
    uint64_t number;  // from 1, in the order in which they were told
    uint64_t wall_ms;
    Term term;
    Event event;
  };

  // `epoch` is another for each life of a process: numbers begin anew with it.
  Events(const Clock& clock, uint64_t epoch) : clock_(clock), epoch_(epoch) {}

  uint64_t epoch() const { return epoch_; }

  // All that follows is for any thread, and waits for nobody for long.
  void tell(Event event);
  // In which term it happens from now on.
  void follow(Term term) { term_.store(term.value, std::memory_order_relaxed); }

  uint64_t newest() const { return newest_.load(std::memory_order_acquire); }  // 0: none yet
  uint64_t oldest() const;  // that is kept; newest() + 1: none is
  // The first `most` of those kept behind `number`, in order.
  std::vector<Kept> behind(uint64_t number, size_t most) const;
  // How many were ever told.
  uint64_t count(EventKind kind) const;

 private:
  const Clock& clock_;
  const uint64_t epoch_;
  std::atomic<uint64_t> term_ = 0;
  std::atomic<uint64_t> newest_ = 0;
  std::array<std::atomic<uint64_t>, kEventKinds> counts_{};

  mutable std::mutex mutex_;
  std::deque<Kept> kept_;
};

}  // namespace holdfast
