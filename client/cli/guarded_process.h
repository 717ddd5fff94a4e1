#pragma once

// A command that this program runs and can end, with all that it starts in its process group: it
// leads one of its own, and has the terminal where we had it, so that Ctrl-C and Ctrl-Z go to it.
// It is told to end by the kernel if we die first. SIGCHLD and SIGTTOU must be blocked.

#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace holdfast::cli {

class GuardedProcess {
 public:
  // Exit codes as a shell's: what cannot be run, what is not there, and of what a signal ended.
  static constexpr int kNotExecutable = 126;
  static constexpr int kNotFound = 127;
  static constexpr int kBySignal = 128;

  using Variables = std::vector<std::pair<std::string, std::string>>;
  // `words` begin with a program, looked for as a shell does; `more`: beside our own environment.
  // What cannot be run says so on standard error, and has ended with one of the codes above.
  GuardedProcess(const std::vector<std::string>& words, const Variables& more);
  // Takes the terminal back.
  ~GuardedProcess();
  GuardedProcess(const GuardedProcess&) = delete;
  GuardedProcess& operator=(const GuardedProcess&) = delete;

  // Its exit code, once it has ended; where it was stopped at the terminal, so are we meanwhile.
  std::optional<int> look();
  // Of its group anybody is there: what it started may live longer than it.
  bool has_members() const;
  // To it and all in its group.
  void signal(int number) const;

 private:
  void give_terminal(pid_t group) const;

  pid_t pid_ = 0;
  bool had_terminal_ = false;
  std::optional<int> exit_code_;
};

}  // namespace holdfast::cli
