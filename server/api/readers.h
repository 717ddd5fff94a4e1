#pragma once

// Threads for reads that may wait for the disk, so that the loop, which may carry heartbeats,
// never does. A handler writes:
//   auto work = [&] { … };                       // what its frame holds lives long enough
//   Readers::Waiting waiting = readers.run(loop, work);
//   const bool done = co_await waiting;          // goes on in `loop`
// False: too much waits already, and `work` was not done.

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace holdfast {

class Readers {
 public:
  static constexpr size_t kWaitingMax = 4096;

  explicit Readers(size_t threads);
  ~Readers() { stop(); }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  // Does what waits, then nothing more: `run` is refused. The loops must turn once more for those
  // who are resumed.
  void stop();

  class Waiting {
   public:
    bool await_ready() const noexcept { return false; }
    // False: not suspended, since it was refused.
    bool await_suspend(std::coroutine_handle<> waiter);
    bool await_resume() const noexcept { return done_; }

   private:
    friend class Readers;
    Waiting(Readers& readers, boost::asio::io_context& loop, std::function<void()> work)
        : readers_(readers), loop_(loop), work_(std::move(work)) {}

    Readers& readers_;
    boost::asio::io_context& loop_;
    std::function<void()> work_;
    std::coroutine_handle<> waiter_;
    bool done_ = true;
  };
  // On the thread of `loop`.
  Waiting run(boost::asio::io_context& loop, std::function<void()> work) {
    return {*this, loop, std::move(work)};
  }

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting*> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace holdfast
