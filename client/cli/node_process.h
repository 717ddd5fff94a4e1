#pragma once

// A holdfastd that this program started, and stops. It has a process group of its own, so that
// Ctrl-C at the terminal reaches it only through us, and is ended by the kernel if we die first.

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "storage/base/result.h"

namespace holdfast::cli {

class NodeProcess {
 public:
  // `arguments` begin with the program's path; its output goes to `log_file`, at the end. It has
  // nothing else of what is open here.
  static Result<NodeProcess> start(const std::vector<std::string>& arguments,
                                   const std::string& log_file);

  pid_t pid() const { return pid_; }
  bool is_running() const { return !ending_.has_value(); }
  // "exit code 1", "signal 9 (Killed)"; once it has ended.
  const std::string& ending() const { return *ending_; }

  // Looks whether it has ended; true only the first time that it has.
  bool has_just_ended();
  // Nothing where it has ended.
  void signal(int number) const;

 private:
  explicit NodeProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;
  std::optional<std::string> ending_;
};

}  // namespace holdfast::cli
