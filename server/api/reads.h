#pragma once

// How every read begins: it fixes the revision at which everything is read.

#include <expected>
#include <optional>
#include <string>

#include "server/api/parameters.h"
#include "server/api/services.h"
#include "server/http/problem.h"
#include "server/http/task.h"

namespace holdfast {

// The revision to read at, once this node has applied it, and as long as it is kept. Awaited in the
// caller's frame.
Task<std::expected<Revision, http::Problem>> read_revision(Services& services,
                                                           const ReadOptions& options);

// The row of `key` at `at`. What is not in memory is fetched by a reader thread.
Task<std::expected<std::optional<Row>, http::Problem>> read_row(Services& services,
                                                                const std::string& key, Revision at,
                                                                Explain* explain = nullptr);

// Asked after everything was read at `at`: it is below the history floor by now, so that what was
// read may be anything. Who reads the newest revision then reads a newer one.
std::optional<http::Problem> forgotten(const Services& services, Revision at);

}  // namespace holdfast
