#include "client/async_lock.h"

#include <exception>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

namespace holdfast {
namespace net = boost::asio;

struct AsyncLock::Keeping {
  Keeping(LockOptions from, OnLoss loss, HeldLock had, const net::any_io_executor& home)
      : options(std::move(from)),
        on_loss(std::move(loss)),
        held(std::move(had)),
        caller(make_caller(options.cluster)),
        term(options.ttl, held.sent, caller.clock()),
        strand(net::make_strand(home)) {}

  static Awaitable<void> run(std::shared_ptr<Keeping> self) {
    Awaitable<std::string> keeping =
        carry_out_awaited(keep(self->caller, self->options, self->held, self->term), Listener());
    const std::string why_lost = co_await std::move(keeping);
    if (self->on_loss) self->on_loss(why_lost);
  }

  static void begin(const std::shared_ptr<Keeping>& self) {
    // What ends it otherwise than by a stop, as what `on_loss` throws, is whose loop this is.
    const auto ended = [self](const std::exception_ptr& thrown) {
      if (thrown && !self->is_stopped) std::rethrow_exception(thrown);
    };
    net::co_spawn(self->strand, run(self), net::bind_cancellation_slot(self->stop.slot(), ended));
  }

  static void end(const std::shared_ptr<Keeping>& self) {
    net::post(self->strand, [self] {
      self->is_stopped = true;
      self->stop.emit(net::cancellation_type::terminal);
    });
  }

  const LockOptions options;
  const OnLoss on_loss;
  const HeldLock held;
  Caller caller;
  LockTerm term;
  const net::strand<net::any_io_executor> strand;
  net::cancellation_signal stop;  // on the strand, as below
  bool is_stopped = false;
};

namespace {

Awaitable<WriteOutcome<HeldLock>> acquire_awaited(const LockOptions& options) {
  Caller caller = make_caller(options.cluster);
  Awaitable<WriteOutcome<HeldLock>> acquiring =
      carry_out_awaited(acquire(caller, options), Listener());
  co_return co_await std::move(acquiring);
}

// Beside what keeps it alive, and may be in the middle of that.
Awaitable<WriteOutcome<RevokeAnswer>> release_awaited(KvClientOptions options, std::string name,
                                                      uint64_t token) {
  Caller caller = make_caller(options);
  Awaitable<WriteOutcome<RevokeAnswer>> releasing =
      carry_out_awaited(caller.make(calls::release_lock(name, token)), Listener());
  co_return co_await std::move(releasing);
}

}  // namespace

Awaitable<WriteOutcome<std::unique_ptr<AsyncLock>>> AsyncLock::acquire(LockOptions options,
                                                                       OnLoss on_loss) {
  using Outcome = WriteOutcome<std::unique_ptr<AsyncLock>>;
  const net::any_io_executor home = co_await net::this_coro::executor;
  Awaitable<WriteOutcome<HeldLock>> acquiring = on_strand(acquire_awaited(options));
  WriteOutcome<HeldLock> outcome = co_await std::move(acquiring);
  if (auto* refusal = std::get_if<Refusal>(&outcome)) co_return Outcome(std::move(*refusal));
  if (auto* unknown = std::get_if<Unknown>(&outcome)) co_return Outcome(std::move(*unknown));
  const auto keeping = std::make_shared<Keeping>(std::move(options), std::move(on_loss),
                                                 std::get<HeldLock>(std::move(outcome)), home);
  Keeping::begin(keeping);
  co_return Outcome(std::unique_ptr<AsyncLock>(new AsyncLock(keeping)));
}

AsyncLock::~AsyncLock() {
  Keeping::end(keeping_);
}

const std::string& AsyncLock::name() const {
  return keeping_->options.name;
}
uint64_t AsyncLock::token() const {
  return keeping_->held.answer.token;
}
const std::string& AsyncLock::lease() const {
  return keeping_->held.answer.lease;
}
Instant AsyncLock::held_until() const {
  return keeping_->term.held_until();
}
bool AsyncLock::is_held() const {
  return keeping_->term.is_held();
}

Awaitable<WriteOutcome<RevokeAnswer>> AsyncLock::release() {
  Keeping::end(keeping_);
  return on_strand(release_awaited(keeping_->options.cluster, name(), token()));
}

}  // namespace holdfast
