#include "client/cli/guarded_process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "storage/base/check.h"

namespace holdfast::cli {
namespace {

// Before the fork: what allocates has no place behind it.
std::vector<std::string> environment_with(const GuardedProcess::Variables& more) {
  std::vector<std::string> lines;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string_view text(*line);
    const auto is_given = [&](const auto& variable) {
      return text.starts_with(variable.first) &&
             text.substr(variable.first.size()).starts_with('=');
    };
    if (std::ranges::none_of(more, is_given)) lines.emplace_back(text);
  }
  for (const auto& [name, value] : more) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  // exec promises not to change them.
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// In the child, between fork and exec.
[[noreturn]] void become_command(char* const* words, char* const* environment, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // The parent may have died before the line above.
  if (::getppid() != parent) ::_exit(GuardedProcess::kNotExecutable);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvpe(words[0], words, environment);
  const int error = errno;
  ::dprintf(STDERR_FILENO, "holdfast: %s cannot be run: %s\n", words[0], std::strerror(error));
  ::_exit(error == ENOENT ? GuardedProcess::kNotFound : GuardedProcess::kNotExecutable);
}

}  // namespace

GuardedProcess::GuardedProcess(const std::vector<std::string>& words, const Variables& more) {
  const std::vector<std::string> lines = environment_with(more);
  const std::vector<char*> environment = pointers_to(lines);
  const std::vector<char*> arguments = pointers_to(words);
  had_terminal_ = ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  CHECK(pid_ >= 0, "fork: {}", std::generic_category().message(errno));
  if (pid_ == 0) become_command(arguments.data(), environment.data(), parent);
  // Here and there, so that it leads its group whoever is first.
  ::setpgid(pid_, pid_);
  give_terminal(pid_);
}

GuardedProcess::~GuardedProcess() {
  give_terminal(::getpgrp());
}

void GuardedProcess::give_terminal(pid_t group) const {
  if (had_terminal_) ::tcsetpgrp(STDIN_FILENO, group);
}

std::optional<int> GuardedProcess::look() {
  if (exit_code_) return exit_code_;
  int status = 0;
  const pid_t waited = ::waitpid(pid_, &status, WNOHANG | WUNTRACED);
  CHECK(waited >= 0, "waitpid: {}", std::generic_category().message(errno));
  if (waited == 0) return std::nullopt;
  if (WIFEXITED(status)) exit_code_ = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) exit_code_ = kBySignal + WTERMSIG(status);
  if (had_terminal_ && WIFSTOPPED(status)) {
    // As a job of our shell, which shall see us stopped.
    give_terminal(::getpgrp());
    ::raise(SIGSTOP);
    give_terminal(pid_);
    signal(SIGCONT);
  }
  return exit_code_;
}

// A group's number is nobody else's as long as it has members.
bool GuardedProcess::has_members() const {
  return ::kill(-pid_, 0) == 0;
}

void GuardedProcess::signal(int number) const {
  ::kill(-pid_, number);
}

}  // namespace holdfast::cli
