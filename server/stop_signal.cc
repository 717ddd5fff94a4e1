#include "server/stop_signal.h"

#include <csignal>
#include <sys/signalfd.h>
#include <unistd.h>

#include "storage/base/check.h"
#include "storage/base/restart.h"

namespace holdfast {
namespace {

using SignalDescriptor = boost::asio::posix::stream_descriptor;
using Heed = std::function<void(const std::string& name)>;

int open_signals() {
  hold_stop_signals();
  const sigset_t signals = stop_signals();
  const int descriptor = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  CHECK(descriptor >= 0, "signals cannot be waited for");
  return descriptor;
}

void heed_on(const std::shared_ptr<SignalDescriptor>& signals, const Heed& heed) {
  signals->async_wait(SignalDescriptor::wait_read, [signals, heed](boost::system::error_code code) {
    if (code || !signals->is_open()) return;
    // Before it is taken: until then it is pending, and a new start would find it.
    end_instead_of_restart();
    signalfd_siginfo signal{};
    // Another may have heeded it.
    if (::read(signals->native_handle(), &signal, sizeof signal) != sizeof signal)
      return heed_on(signals, heed);
    heed(signal.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
  });
}

}  // namespace

void hold_stop_signals() {
  const sigset_t signals = stop_signals();
  CHECK(::pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
}

StopSignal::StopSignal(boost::asio::io_context& loop)
    : descriptor_(std::make_shared<SignalDescriptor>(loop, open_signals())) {}

StopSignal::~StopSignal() {
  boost::system::error_code code;
  descriptor_->close(code);
}

void StopSignal::await(const Heed& heed) {
  heed_on(descriptor_, heed);
}

}  // namespace holdfast
