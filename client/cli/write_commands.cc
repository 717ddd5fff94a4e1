// put and delete: the commands whose outcome can be unknown.

#include <cstdio>
#include <iostream>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/input.h"
#include "client/cli/options.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

// A revision or '*' as people write it; an ETag as HTTP writes it.
std::string as_etag(const std::string& text) {
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? fmt::format("\"{}\"", text) : text;
}

void add_condition_options(CLI::App& app, Condition& condition) {
  app.add_option("--if-match", condition.if_match,
                 "Only if the key's mod_revision is N; '*': only if the key exists")
      ->type_name("N|'*'")
      ->transform(as_etag);
  app.add_option("--if-none-match", condition.if_none_match,
                 "Only if the key's mod_revision is not N; '*': only if there is no such key")
      ->type_name("N|'*'")
      ->transform(as_etag);
}

class PutCommand final : public Command {
 public:
  explicit PutCommand(CLI::App& root) : Command(root, "put", "Store a value under a key") {
    app().add_option("KEY", key_, "The key, 1 to 4,096 bytes")->required();
    value_option_ =
        app().add_option("VALUE", value_, "The value; '-' reads it from standard input");
    app().add_option("--file", file_, "Take the value from a file")->type_name("FILE");
    add_condition_options(app(), condition_);
    CLI::Option* const lease =
        app().add_option("--lease", lifetime_.lease, "Delete the key when this lease ends");
    lease->type_name("ID");
    add_duration_option(app(), "--ttl", lifetime_.ttl, "Delete the key after this time")
        ->excludes(lease);
    add_explain_option(app(), explains_);
    describe(
        "Examples:\n"
        "  holdfast put greeting hello\n"
        "  holdfast put --file photo.jpg photos/1\n"
        "  date | holdfast put now -\n"
        "  holdfast put --ttl 30s session/7 open          gone after 30 s\n"
        "  holdfast put --lease 52a1f5ce1d6b93a0 me here  gone with the lease\n"
        "  holdfast put --if-none-match '*' leader me     only if nobody was first\n"
        "  holdfast put --if-match 7 counter 8            only if unchanged since revision 7\n\n"
        "A put that got no answer is sent again under the same Idempotency-Key, and made once. Is "
        "its\n"
        "outcome still unknown when the time is over, the exit code is 4.",
        {Exit::kPreconditionFailed, Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    const Result<std::string> value = value_bytes();
    if (!value) return report(session, value.error());
    KvClient client = session.client(explains_);
    const WriteOutcome<PutAnswer> outcome = client.put(key_, *value, condition_, lifetime_);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    const auto& answer = std::get<PutAnswer>(outcome);
    if (session.is_json()) {
      fmt::print("{{\"revision\":{},\"created\":{}}}\n", answer.revision, answer.is_created);
    } else {
      fmt::print("{} at revision {}\n", answer.is_created ? "created" : "updated", answer.revision);
    }
    print_explanation(session, client);
    return Exit::kOk;
  }

 private:
  Result<std::string> value_bytes() const {
    const bool has_value = value_option_->count() > 0;
    if (has_value == !file_.empty()) {
      return fail(ErrorCode::kInvalid,
                  "give the value as VALUE, as --file FILE, or as '-' for standard input");
    }
    if (has_value && value_ != "-") return value_;
    return read_input(has_value ? value_ : file_);
  }

  CLI::Option* value_option_ = nullptr;
  std::string key_;
  std::string value_;
  std::string file_;
  Condition condition_;
  Lifetime lifetime_;
  bool explains_ = false;
};

class DeleteCommand final : public Command {
 public:
  explicit DeleteCommand(CLI::App& root)
      : Command(root, "delete", "Delete a key, or all keys with a prefix") {
    key_option_ = app().add_option("KEY", key_, "The key");
    prefix_option_ =
        app()
            .add_option("--prefix", prefix_, "Delete every key that begins with PREFIX, atomically")
            ->type_name("PREFIX");
    app().add_flag("--yes", is_sure_, "Do not ask before deleting many keys");
    add_explain_option(app(), explains_);
    add_condition_options(app(), condition_);
    describe(
        "Examples:\n"
        "  holdfast delete greeting\n"
        "  holdfast delete --if-match 7 greeting     only if unchanged since revision 7\n"
        "  holdfast delete --prefix photos/ --yes\n\n"
        "Deleting what is not there is no error.",
        {Exit::kPreconditionFailed, Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    const bool has_key = key_option_->count() > 0;
    const bool has_prefix = prefix_option_->count() > 0;
    if (has_key == has_prefix) return refuse(session, "give either KEY or --prefix PREFIX");
    KvClient client = session.client(explains_);
    if (has_key) return finish(session, client, client.remove(key_, condition_));
    if (prefix_.empty()) return refuse(session, "an empty prefix would delete everything");
    if (!condition_.if_match.empty() || !condition_.if_none_match.empty()) {
      return refuse(session, "a condition belongs to one key, not to a prefix");
    }
    if (!is_sure_) {
      ScanQuery query;
      query.prefix = prefix_;
      query.is_count_only = true;
      const ReadOutcome<ScanPage> found = client.scan(query);
      if (!found) return report(session, found.error());
      if (!agrees_to_delete(found->count)) {
        return refuse(session, fmt::format("nothing was deleted: give --yes to delete {} with the "
                                           "prefix '{}'",
                                           counted(found->count, "key"), printable(prefix_)));
      }
    }
    return finish(session, client, client.remove_prefix(prefix_));
  }

 private:
  static Exit refuse(const Session& session, std::string why) {
    return report(session, Error{ErrorCode::kInvalid, std::move(why)});
  }

  bool agrees_to_delete(uint64_t count) const {
    if (!is_terminal(stdin) || !is_terminal(stderr)) return false;
    fmt::print(stderr, "Delete {} with the prefix '{}'? [y/N] ", counted(count, "key"),
               printable(prefix_));
    std::string line;
    std::getline(std::cin, line);
    return line == "y" || line == "Y" || line == "yes";
  }

  static Exit finish(const Session& session, const KvClient& client,
                     const WriteOutcome<DeleteAnswer>& outcome) {
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    const auto& answer = std::get<DeleteAnswer>(outcome);
    if (session.is_json()) {
      fmt::print("{{\"revision\":{},\"deleted\":{}}}\n", answer.revision, answer.deleted);
    } else if (answer.deleted == 0) {
      fmt::print("nothing to delete (revision {})\n", answer.revision);
    } else {
      fmt::print("deleted {} at revision {}\n", counted(answer.deleted, "key"), answer.revision);
    }
    print_explanation(session, client);
    return Exit::kOk;
  }

  CLI::Option* key_option_ = nullptr;
  CLI::Option* prefix_option_ = nullptr;
  std::string key_;
  std::string prefix_;
  bool is_sure_ = false;
  bool explains_ = false;
  Condition condition_;
};

}  // namespace

std::unique_ptr<Command> make_put_command(CLI::App& root) {
  return std::make_unique<PutCommand>(root);
}

std::unique_ptr<Command> make_delete_command(CLI::App& root) {
  return std::make_unique<DeleteCommand>(root);
}

}  // namespace holdfast::cli
