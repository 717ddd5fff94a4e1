#include "client/lock.h"

#include <csignal>
#include <utility>

#include "client/supply.h"

namespace holdfast {
namespace {

template <class T>
T carry_out_sleeping(Task<T> task, const Clock& clock) {
  return carry_out(std::move(task), [&clock](const Need& need) {
    return supply_call(need, clock, [](Duration pause) { std::this_thread::sleep_for(pause); });
  });
}

}  // namespace

WriteOutcome<std::unique_ptr<Lock>> Lock::acquire(LockOptions options, OnLoss on_loss) {
  Caller caller = make_caller(options.cluster);
  WriteOutcome<HeldLock> outcome =
      carry_out_sleeping(holdfast::acquire(caller, options), caller.clock());
  if (auto* refusal = std::get_if<Refusal>(&outcome)) return std::move(*refusal);
  if (auto* unknown = std::get_if<Unknown>(&outcome)) return std::move(*unknown);
  return std::unique_ptr<Lock>(new Lock(std::move(options), std::move(caller),
                                        std::get<HeldLock>(std::move(outcome)),
                                        std::move(on_loss)));
}

Lock::Lock(LockOptions options, Caller caller, HeldLock held, OnLoss on_loss)
    : options_(std::move(options)),
      held_(std::move(held)),
      on_loss_(std::move(on_loss)),
      caller_(std::move(caller)),
      term_(options_.ttl, held_.sent, caller_.clock()),
      thread_([this] { run(); }) {}

Lock::~Lock() {
  if (!thread_.joinable()) return;
  const bool was_held = is_held();
  stop();
  if (was_held) end();
}

WriteOutcome<RevokeAnswer> Lock::release() {
  stop();
  return end();
}

WriteOutcome<RevokeAnswer> Lock::end() {
  return carry_out_sleeping(caller_.make(calls::release_lock(name(), token())), caller_.clock());
}

void Lock::stop() {
  {
    const std::lock_guard guard(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Lock::wait(Duration length) {
  std::unique_lock guard(mutex_);
  return changed_.wait_for(guard, length, [this] { return is_over_; });
}

void Lock::run() {
  // They are for whoever made this: it may have blocked them, and wait for them.
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  Task<std::string> keeping = keep(caller_, options_, held_, term_);
  Standing standing;
  for (keeping.start(standing); !keeping.is_done(); standing.waiting.resume()) {
    const auto* const pause = std::get_if<Pause>(&standing.need);
    if (wait(pause != nullptr ? pause->length : Duration::zero())) return;
    if (pause == nullptr) standing.supply = supply_connection(standing.need, caller_.clock());
  }
  const std::string why_lost = keeping.take();
  if (on_loss_) on_loss_(why_lost);
}

}  // namespace holdfast
