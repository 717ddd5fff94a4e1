// lease: what lives as long as somebody keeps it alive.

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/options.h"
#include "client/cli/record.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

using Align = Table::Align;

std::string spoken_ms(uint64_t ms) {
  return spoken(std::chrono::milliseconds(ms));
}

std::string to_json(const LeaseView& lease) {
  return fmt::format("\"id\":{},\"ttl_ms\":{},\"remaining_ms\":{}", json_quoted(lease.id),
                     lease.ttl_ms, lease.remaining_ms);
}

class LeaseCommand final : public Command {
 public:
  explicit LeaseCommand(CLI::App& root)
      : Command(root, "lease", "Grant leases, keep them alive, look at them, revoke them") {
    app().require_subcommand(1);
    grant_ = app().add_subcommand("grant", "Make a lease; prints its id");
    grant_->fallthrough();
    add_duration_option(*grant_, "TTL", ttl_, "How long it lives, 1s to a year")->required();
    keep_ = app().add_subcommand("keep-alive", "Let a lease begin anew");
    get_ = app().add_subcommand("get", "What is left of a lease, and the keys that end with it");
    revoke_ = app().add_subcommand("revoke", "End a lease now: its keys are deleted");
    for (CLI::App* const one : {keep_, get_, revoke_})
      one->fallthrough()
          ->add_option("ID", id_, "The lease, 16 hexadecimal digits")
          ->type_name("ID")
          ->required();
    list_ = app().add_subcommand("list", "All leases")->fallthrough();
    describe(
        "Examples:\n"
        "  lease=$(holdfast lease grant 10s)\n"
        "  holdfast put --lease $lease workers/7 \"$(hostname)\"\n"
        "  holdfast lease keep-alive $lease     again every few seconds\n"
        "  holdfast lease get $lease\n"
        "  holdfast lease revoke $lease\n\n"
        "Time is the cluster's own: it stands still while the cluster has no leader, so a lease\n"
        "never ends early because of a failover.",
        {Exit::kNotFound, Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    if (grant_->parsed()) return finish(session, client.grant_lease(ttl_));
    if (keep_->parsed()) return finish(session, client.keep_lease_alive(id_));
    if (revoke_->parsed()) return finish(session, client.revoke_lease(id_));
    return get_->parsed() ? show(session, client) : list(session, client);
  }

 private:
  template <class Answer>
  static Exit finish(const Session& session, const WriteOutcome<Answer>& outcome) {
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    return print(session, std::get<Answer>(outcome));
  }

  static Exit print(const Session& session, const LeaseAnswer& answer) {
    if (session.is_json()) {
      fmt::print("{{\"id\":{},\"ttl_ms\":{}}}\n", json_quoted(answer.id), answer.ttl_ms);
    } else {
      fmt::print("{}\n", answer.id);
    }
    return Exit::kOk;
  }

  static Exit print(const Session& session, const RevokeAnswer& answer) {
    if (session.is_json()) {
      fmt::print("{{\"revision\":{},\"deleted\":{},\"finished\":{}}}\n", answer.revision,
                 answer.deleted, answer.is_finished);
    } else {
      fmt::print("revoked; deleted {} at revision {}{}\n", counted(answer.deleted, "key"),
                 answer.revision, answer.is_finished ? "" : ", the rest follows");
    }
    return Exit::kOk;
  }

  // Keys come a page at a time; they are printed as they come.
  Exit show(const Session& session, KvClient& client) const {
    std::string cursor;
    uint64_t count = 0;
    do {
      const ReadOutcome<LeaseView> page = client.lease(id_, cursor);
      if (!page) return report(session, page.error());
      if (cursor.empty()) print_head(session, *page);
      for (const std::string& key : page->keys) {
        if (session.is_json()) {
          fmt::print("{}{{{}}}", count == 0 ? "" : ",", json_member("key", key));
        } else {
          fmt::print("{}\n", printable(key));
        }
        ++count;
      }
      cursor = page->next;
    } while (!cursor.empty());
    if (session.is_json()) fmt::print("]}}\n");
    return Exit::kOk;
  }

  static void print_head(const Session& session, const LeaseView& lease) {
    if (session.is_json()) {
      fmt::print("{{{},\"keys\":[", to_json(lease));
    } else {
      fmt::print("{} of {} left\n", spoken_ms(lease.remaining_ms), spoken_ms(lease.ttl_ms));
    }
  }

  static Exit list(const Session& session, KvClient& client) {
    Table table({Align::kLeft, Align::kRight, Align::kRight});
    table.add({{"ID"}, {"TTL"}, {"LEFT"}});
    std::string cursor;
    do {
      const ReadOutcome<LeasePage> page = client.leases(cursor);
      if (!page) return report(session, page.error());
      for (const LeaseView& lease : page->leases) {
        if (session.is_json()) {
          fmt::print("{{{}}}\n", to_json(lease));
        } else {
          table.add({{lease.id}, {spoken_ms(lease.ttl_ms)}, {spoken_ms(lease.remaining_ms)}});
        }
      }
      cursor = page->next;
    } while (!cursor.empty());
    if (!session.is_json()) table.print(stdout);
    return Exit::kOk;
  }

  CLI::App* grant_;
  CLI::App* keep_;
  CLI::App* get_;
  CLI::App* revoke_;
  CLI::App* list_;
  Duration ttl_{};
  std::string id_;
};

}  // namespace

std::unique_ptr<Command> make_lease_command(CLI::App& root) {
  return std::make_unique<LeaseCommand>(root);
}

}  // namespace holdfast::cli
