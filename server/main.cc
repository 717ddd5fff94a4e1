#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <sys/resource.h>
#include <system_error>

#include "server/config.h"
#include "server/node.h"
#include "server/stop_signal.h"
#include "storage/base/log.h"

namespace {

// Every connection is an open file, and the state and the log have some hundred.
constexpr rlim_t kFilesWanted = 16'384;

// Shells and services begin with 1,024, however many the machine allows.
void allow_open_files() {
  rlimit limit{};
  bool is_set = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
  if (is_set && limit.rlim_cur < kFilesWanted) {
    limit.rlim_cur = std::min(kFilesWanted, limit.rlim_max);
    is_set = ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
  }
  if (!is_set)
    holdfast::log_warning("how many files may be open cannot be set: {}",
                          std::generic_category().message(errno));
  if (is_set && limit.rlim_cur < kFilesWanted)
    holdfast::log_warning(
        "only {} files may be open here, {} are wanted: many clients at once will find no "
        "connection. Raise the hard limit (ulimit -Hn, LimitNOFILE=)",
        limit.rlim_cur, kFilesWanted);
}

int run(int argc, char** argv) {
  const holdfast::ParsedConfig parsed = holdfast::parse_config(argc, argv);
  if (!parsed.config) return parsed.exit_code;
  holdfast::hold_stop_signals();
  holdfast::start_log(parsed.config->log_format);
  allow_open_files();
  auto node = holdfast::Node::open(*parsed.config);
  const holdfast::Result<holdfast::NodeEnd> outcome =
      node ? (*node)->run() : std::unexpected(node.error());
  if (outcome) return static_cast<int>(*outcome);
  holdfast::log_error("{}", outcome.error().message);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "holdfastd: %s\n", problem.what());
    return 1;
  }
}
