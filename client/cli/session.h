#pragma once

// What every command is given: where the cluster is, how to print, and how a call's end becomes an
// exit code.

#include <string>
#include <vector>

#include "client/endpoint.h"
#include "client/kv_client.h"
#include "storage/base/clock.h"

namespace holdfast::cli {

// Part of the command line's contract, described in client/README.md.
enum class Exit {
  kOk = 0,
  kOther = 1,
  kNotFound = 2,
  kPreconditionFailed = 3,
  kUnknownOutcome = 4,
  kUnavailable = 5,
};

enum class OutputFormat { kText, kJson };

struct Session {
  std::vector<Endpoint> endpoints;
  Duration timeout = std::chrono::seconds(10);
  OutputFormat format = OutputFormat::kText;
  std::string binary_directory;  // where holdfast lies, and holdfastd beside it

  bool is_json() const { return format == OutputFormat::kJson; }
  KvClientOptions client_options() const;
  KvClient client() const { return make_kv_client(client_options()); }
  // One that asks where the time of its calls goes, if `explains`.
  KvClient client(bool explains) const;
};

// Say on standard error what happened, and what that means for the exit code.
Exit report(const Session& session, const Refusal& refusal);
Exit report(const Session& session, const Unknown& unknown);
Exit report(const Session& session, const Error& error);

}  // namespace holdfast::cli
