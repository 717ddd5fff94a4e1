#pragma once

// Sockets for threads that may block, but not for ever.

#include <atomic>
#include <string>
#include <string_view>

#include "storage/base/clock.h"
#include "storage/base/descriptor.h"
#include "storage/base/result.h"

namespace holdfast {

// With which one thread calls another out of its waiting.
class Interrupt {
 public:
  Interrupt();
  // From any thread: whoever waits stops waiting, and so does whoever will, until `clear`.
  void raise();
  void clear();
  bool raised() const { return raised_.load(std::memory_order_acquire); }
  // Waits that long, or until it is raised.
  void wait(Duration duration) const;
  int descriptor() const { return event_.number(); }

 private:
  Descriptor event_;
  std::atomic<bool> raised_ = false;
};

// A connected TCP socket. Every call fails with kUnavailable when it is not done in `patience`,
// when the connection ends and when `interrupt` is raised. One thread; `clock` and `interrupt`
// outlive it.
class TimedSocket {
 public:
  // Takes a connection that another has made.
  TimedSocket(Descriptor connected, const Clock& clock, const Interrupt& interrupt);
  // Looking up a host's name is as slow as the system makes it, and is not interrupted.
  static Result<TimedSocket> dial(const std::string& host, const std::string& port,
                                  const Clock& clock, const Interrupt& interrupt,
                                  Duration patience);

  Result<> send(std::string_view bytes, Duration patience);
  Result<std::string> receive(size_t count, Duration patience);
  // A whole frame (frame.h).
  Result<std::string> receive_frame(size_t part_bytes_max, Duration patience);
  // Whether `receive` would say something at once.
  bool has_news() const;
  // Says that nothing more will be sent, and reads until the other end closes or `patience` is
  // over: what was sent last would be lost if the socket closed over bytes that nobody has read.
  void close_gently(Duration patience);

 private:
  Result<> wait_for(short events, Instant deadline) const;

  Descriptor socket_;
  const Clock* clock_;
  const Interrupt* interrupt_;
};

// Says a last thing on a connection that nobody waits for, without waiting itself: it may be lost.
void say_and_close(Descriptor connection, std::string_view bytes);

}  // namespace holdfast
