#pragma once

#include <csignal>

namespace holdfast {

// Replaces this process by itself as it was started: same program, arguments, environment and
// process id, nothing else. From any thread; nothing is unwound, and every file and connection is
// closed. For what only a start can make good, once that it must is noted on disk. A stop that is
// asked for meanwhile, by one of the signals below, is heeded by the new start.
[[noreturn]] void restart_process();

// It is being stopped: from now on `restart_process` ends it, as a stop does. Any thread.
void end_instead_of_restart();

// SIGTERM and SIGINT.
sigset_t stop_signals();

}  // namespace holdfast
