#include "client/cli/node_process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "storage/base/check.h"

namespace holdfast::cli {
namespace {

// In the child, between fork and exec.
[[noreturn]] void become(char* const* arguments, int log, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // The parent may have died before the line above.
  if (::getppid() != parent) ::_exit(1);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(input, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  // What another thread has open, as a connection: it would not end when that thread closes it.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execv(arguments[0], arguments);
  ::dprintf(STDERR_FILENO, "%s cannot be run: %s\n", arguments[0], std::strerror(errno));
  ::_exit(127);
}

std::string ending_from(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace

Result<NodeProcess> NodeProcess::start(const std::vector<std::string>& arguments,
                                       const std::string& log_file) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  // execv promises not to change them.
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) {
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be written: {}", log_file,
                                            std::generic_category().message(errno)));
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(pointers.data(), log, parent);
  const int error = errno;
  ::close(log);
  if (pid < 0) return fail(ErrorCode::kIo, std::generic_category().message(error));
  return NodeProcess(pid);
}

bool NodeProcess::has_just_ended() {
  if (!is_running()) return false;
  int status = 0;
  const pid_t waited = ::waitpid(pid_, &status, WNOHANG);
  if (waited == 0) return false;
  CHECK(waited == pid_, "waitpid: {}", std::generic_category().message(errno));
  ending_ = ending_from(status);
  return true;
}

void NodeProcess::signal(int number) const {
  if (is_running()) ::kill(pid_, number);
}

}  // namespace holdfast::cli
