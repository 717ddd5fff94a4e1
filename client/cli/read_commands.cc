// get and scan.

#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/options.h"
#include "client/cli/record.h"
#include "client/cli/scan_pages.h"
#include "client/cli/terminal.h"

namespace holdfast::cli {
namespace {

void write_bytes(std::FILE* stream, std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), stream);
}

class GetCommand final : public Command {
 public:
  explicit GetCommand(CLI::App& root) : Command(root, "get", "Print the value of a key") {
    app().add_option("KEY", key_, "The key")->required();
    add_moment_options(app(), moment_);
    app().add_flag("--revision-info", with_revisions_,
                   "Also say on standard error when the key was created and changed");
    add_explain_option(app(), explains_);
    describe(
        "Examples:\n"
        "  holdfast get greeting\n"
        "  holdfast get photos/1 > photo.jpg\n"
        "  holdfast --json get greeting\n"
        "  holdfast get --consistency local greeting     what the asked node has, perhaps stale\n"
        "  holdfast get --revision 41 greeting           as it was (kept: holdfast settings)\n"
        "  holdfast get --at \"$(date -u -d '2 seconds ago' +%FT%TZ)\" greeting\n\n"
        "The value is printed as it is; a newline is added on a terminal only.",
        {Exit::kNotFound, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client(explains_);
    const Exit exit = show(session, client.get(key_, moment_));
    print_explanation(session, client);
    return exit;
  }

 private:
  Exit show(const Session& session, const ReadOutcome<Value>& value) const {
    if (!value) return report(session, value.error());
    if (session.is_json()) {
      fmt::print("{{{},{},\"create_revision\":{},\"mod_revision\":{},\"version\":{}{}}}\n",
                 json_member("key", key_), json_member("value", value->bytes),
                 value->create_revision, value->mod_revision, value->version,
                 json_lifetime(value->lease, value->ttl_ms));
      return Exit::kOk;
    }
    write_bytes(stdout, value->bytes);
    if (is_terminal(stdout) && !value->bytes.ends_with('\n')) write_bytes(stdout, "\n");
    if (with_revisions_) {
      std::fflush(stdout);
      fmt::print(
          stderr, "changed at revision {}, created at {}, version {}{}{}\n", value->mod_revision,
          value->create_revision, value->version,
          value->lease.empty() ? "" : ", lease " + value->lease,
          value->ttl_ms ? ", gone in " + spoken(std::chrono::milliseconds(*value->ttl_ms)) : "");
    }
    return Exit::kOk;
  }

  std::string key_;
  Moment moment_;
  bool with_revisions_ = false;
  bool explains_ = false;
};

class ScanCommand final : public Command {
 public:
  explicit ScanCommand(CLI::App& root)
      : Command(root, "scan", "List keys and values in order of their keys") {
    app().add_option("--prefix", query_.prefix, "Keys that begin with PREFIX")->type_name("PREFIX");
    app().add_option("--start", query_.start, "From this key on")->type_name("KEY");
    app().add_option("--end", query_.end, "Up to this key, without it")->type_name("KEY");
    app()
        .add_option("--limit", query_.limit, "At most N keys; otherwise all of them")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000'000}));
    app().add_flag("--reverse", query_.is_reverse, "From the last key to the first");
    app().add_flag("--keys-only", query_.is_keys_only, "Without the values");
    app().add_flag("--count", query_.is_count_only, "Only say how many there are");
    add_moment_options(app(), query_.moment);
    add_explain_option(app(), explains_);
    describe(
        "Examples:\n"
        "  holdfast scan --prefix photos/\n"
        "  holdfast scan --prefix packages/lib --limit 20 --keys-only\n"
        "  holdfast scan --prefix packages/ --count\n"
        "  holdfast --json scan | tail -1     the line with the revision and the count\n\n"
        "All of a scan is read at one revision. Lines are KEY, a tab, VALUE, with control\n"
        "characters escaped; on a terminal long values are cut.",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client(explains_);
    const ReadOutcome<ScanTotal> total =
        scan_pages(client, query_, [&](const ScanPage& page) { print_page(session, page); });
    if (!total) return report(session, total.error());
    if (session.is_json()) {
      fmt::print("{{\"revision\":{},\"count\":{}}}\n", total->revision, total->count);
    } else if (query_.is_count_only) {
      fmt::print("{}\n", total->count);
    }
    print_explanation(session, client);
    return Exit::kOk;
  }

 private:
  void print_page(const Session& session, const ScanPage& page) const {
    if (query_.is_count_only) return;
    if (session.is_json()) return print_json(page);
    if (is_terminal(stdout)) return print_columns(page);
    for (const Item& item : page.items) {
      write_bytes(stdout, printable(item.key));
      if (!query_.is_keys_only) write_bytes(stdout, "\t" + printable(item.value));
      write_bytes(stdout, "\n");
    }
  }

  void print_json(const ScanPage& page) const {
    for (const Item& item : page.items) {
      fmt::print("{{{}{},\"create_revision\":{},\"mod_revision\":{},\"version\":{}{}}}\n",
                 json_member("key", item.key),
                 query_.is_keys_only ? "" : "," + json_member("value", item.value),
                 item.create_revision, item.mod_revision, item.version,
                 json_lifetime(item.lease, item.ttl_ms));
    }
  }

  void print_columns(const ScanPage& page) const {
    constexpr size_t kKeyColumnsMax = 40;
    const size_t width = terminal_width(stdout);
    size_t key_width = 0;
    for (const Item& item : page.items) key_width = std::max(key_width, item.key.size());
    key_width = std::min(key_width, kKeyColumnsMax);
    for (const Item& item : page.items) {
      const std::string key = printable(item.key);
      const size_t used = std::max(key.size(), key_width) + 2;
      fmt::print("{}", painted(stdout, Color::kBold, fmt::format("{:<{}}", key, key_width)));
      if (!query_.is_keys_only) {
        const size_t room = width > used + 10 ? width - used : 10;
        fmt::print("  {}", shortened(printable(item.value), room));
      }
      fmt::print("\n");
    }
  }

  ScanQuery query_;
  bool explains_ = false;
};

}  // namespace

std::unique_ptr<Command> make_get_command(CLI::App& root) {
  return std::make_unique<GetCommand>(root);
}

std::unique_ptr<Command> make_scan_command(CLI::App& root) {
  return std::make_unique<ScanCommand>(root);
}

}  // namespace holdfast::cli
