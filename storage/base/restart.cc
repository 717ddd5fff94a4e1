#include "storage/base/restart.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "storage/base/check.h"

namespace holdfast {
namespace {

std::atomic<bool> ends_instead = false;

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string word; std::getline(file, word, '\0');) arguments.push_back(word);
  return arguments;
}

// Locks and ports are given back with their descriptors.
void close_all_on_exec() {
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", code)) {
    const std::string name = entry.path().filename().string();
    int descriptor = -1;
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (descriptor > STDERR_FILENO) ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  }
}

}  // namespace

void end_instead_of_restart() {
  ends_instead.store(true);
}

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void restart_process() {
  std::vector<std::string> arguments = own_arguments();
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  close_all_on_exec();
  // The new start inherits what this thread holds; what is pending stays so.
  const sigset_t held = stop_signals();
  ::pthread_sigmask(SIG_SETMASK, &held, nullptr);
  if (ends_instead.load()) std::_Exit(EXIT_SUCCESS);
  ::execv("/proc/self/exe", pointers.data());
  fatal("this process could not start itself anew: start it again");
}

}  // namespace holdfast
