#pragma once

namespace holdfast {

// Replaces this process by itself as it was started: same program, arguments, environment and
// process id, nothing else. From any thread; nothing is unwound, and every file and connection is
// closed. For what only a start can make good, once that it must is noted on disk.
[[noreturn]] void restart_process();

}  // namespace holdfast
