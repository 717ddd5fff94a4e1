#pragma once

// SIGTERM and SIGINT, which ask the process to stop. None is lost, whatever the process does when
// it comes: it stays pending until somebody heeds it, also where the process starts itself anew.

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace holdfast {

// To be called before any other thread begins: threads that begin later hold them, too.
void hold_stop_signals();

class StopSignal {
 public:
  // `loop` outlives this. Holds the signals as above.
  explicit StopSignal(boost::asio::io_context& loop);
  // A signal that was not heeded is left to the next.
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Calls `heed` with the name of the signal, on the loop, once. From then on the process ends
  // where it would have started itself anew.
  void await(const std::function<void(const std::string& name)>& heed);

 private:
  // An answer that was on its way when this went finds it closed.
  const std::shared_ptr<boost::asio::posix::stream_descriptor> descriptor_;
};

}  // namespace holdfast
