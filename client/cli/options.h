#pragma once

// Options that several commands have.

#include <string>

#include "client/cli/session.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace holdfast::cli {

void add_consistency_option(CLI::App& app, Consistency& consistency);
// --consistency, --revision and --at.
void add_moment_options(CLI::App& app, Moment& moment);
// --explain; what was asked for is printed once the call has ended.
void add_explain_option(CLI::App& app, bool& explains);
void print_explanation(const Session& session, const KvClient& client);
// The two headers in words.
std::string spoken(const Explanation& explanation);
// A duration as in the API ("30s"); `target` holds the default.
CLI::Option* add_duration_option(CLI::App& app, const char* name, Duration& target,
                                 const char* help);

}  // namespace holdfast::cli
