#include <cstdio>
#include <exception>

#include "server/config.h"
#include "server/node.h"

namespace {

int run(int argc, char** argv) {
  const holdfast::ParsedConfig parsed = holdfast::parse_config(argc, argv);
  if (!parsed.config) return parsed.exit_code;
  holdfast::start_log(parsed.config->log_format);
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
