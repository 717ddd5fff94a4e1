#include "server/api/snapshot.h"

#include <memory>

#include <fmt/format.h>

#include "server/api/backups.h"
#include "server/api/parameters.h"
#include "server/api/readers.h"
#include "server/api/reads.h"
#include "server/http/body_stream.h"
#include "storage/base/events.h"
#include "storage/base/log.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

constexpr Duration kTryAgainAfter = std::chrono::seconds(5);

// Where too many reads wait, or the node stops, what is left is removed by the next backup, or at
// the next start.
Detached remove_backup(Services& services) {
  Result<> removed;
  auto work = [&] { removed = services.backups->remove(); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  co_await waiting;
  if (!removed) log_warning("a backup is left behind: {}", removed.error().message);
  services.backups->finish();
}

Problem problem_of_copy(const Error& error) {
  if (error.code != ErrorCode::kNoSpace) return problem_of(error);
  return {.code = http::Code::kNoSpace,
          .detail =
              "the disk of this node is too full to copy its state first. Another node may "
              "have room: GET /v1/cluster says whose disk is short of it",
          .retry_after = kTryAgainAfter};
}

// This node's one backup at work, from its start to its removal.
class BackupStream final : public http::BodyStream {
 public:
  explicit BackupStream(Services& services) : services_(services) {}
  ~BackupStream() override { remove_backup(services_); }
  BackupStream(const BackupStream&) = delete;
  BackupStream& operator=(const BackupStream&) = delete;

  // Makes the checkpoint.
  Task<std::expected<backup::Head, Problem>> open() {
    Result<std::unique_ptr<Backups::Reading>> reading;
    auto work = [&] { reading = Backups::Reading::open(*services_.backups); };
    Readers::Waiting waiting = services_.readers->run(*services_.loop, work);
    const bool done = co_await waiting;
    if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
    if (!reading) co_return std::unexpected(problem_of_copy(reading.error()));
    reading_ = std::move(*reading);
    co_return reading_->head();
  }

  // Others wait for it to end: 35 KiB/s, or a slow client would hold it for days.
  size_t progress_bytes() const override { return size_t{1} << 20; }

  Task<Result<std::string>> next() override {
    Result<std::string> piece;
    auto work = [&] { piece = reading_->next(); };
    Readers::Waiting waiting = services_.readers->run(*services_.loop, work);
    const bool done = co_await waiting;
    if (!done) co_return fail(ErrorCode::kUnavailable, "a backup: too many reads wait already");
    co_return piece;
  }

 private:
  Services& services_;
  std::unique_ptr<Backups::Reading> reading_;
};

std::expected<ReadOptions, Problem> options_of(Services& services, const Request& request) {
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  ReadOptions options;
  HOLDFAST_ASSIGN(options, take_read_options(query, services.clock->now()));
  HOLDFAST_TRY(finish_query(query));
  if (options.is_past()) {
    return std::unexpected(
        bad_request("a backup is of the newest revision: leave 'revision' and 'at' out"));
  }
  return options;
}

Response answer_with(const backup::Head& head, std::shared_ptr<BackupStream> stream) {
  Response response(200, "application/octet-stream", "");
  response.add_header("Content-Disposition",
                      fmt::format("attachment; filename=\"holdfast-{:016x}-{}.backup\"",
                                  head.cluster.value, head.revision.value));
  response.stream = std::move(stream);
  return response;
}

}  // namespace

Task<Outcome> send_snapshot(Services& services, Request request) {
  const auto options = options_of(services, request);
  if (!options) co_return std::unexpected(options.error());
  Task<std::expected<Revision, Problem>> fixing = read_revision(services, *options);
  const std::expected<Revision, Problem> revision = co_await fixing;
  if (!revision) co_return std::unexpected(revision.error());
  if (request.method() == http::Method::kHead) {
    Response head(200, "application/octet-stream", "");
    head.says_length = false;  // only a backup that is made knows it
    co_return Answered{std::move(head), *revision};
  }
  if (!services.backups->start()) {
    co_return std::unexpected(
        Problem{.code = http::Code::kTooManyRequests,
                .detail = "this node makes a backup already, and makes one at a time; try again "
                          "when that has ended, or ask another node",
                .retry_after = kTryAgainAfter});
  }
  auto stream = std::make_shared<BackupStream>(services);
  Task<std::expected<backup::Head, Problem>> opening = stream->open();
  const std::expected<backup::Head, Problem> head = co_await opening;
  if (!head) co_return std::unexpected(head.error());
  // The checkpoint is a flush of the state, which cannot be called back.
  if (services.clock->now() > options->deadline) {
    co_return std::unexpected(problem_of_read(raft::RefusalReason::kTimeout));
  }
  services.events->tell(
      {.kind = EventKind::kBackup,
       .text = fmt::format("a backup of revision {}: {} files, {} bytes", head->revision.value,
                           head->files, head->bytes),
       .fields = {
           {"revision", head->revision.value}, {"files", head->files}, {"bytes", head->bytes}}});
  co_return Answered{answer_with(*head, std::move(stream)), head->revision};
}

}  // namespace holdfast
