#include "bench/load/options.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/options.h"
#include "storage/base/text.h"

namespace holdfast::load {
namespace {

constexpr uint32_t kConnectionsMax = 10'000;
constexpr uint32_t kCountMax = 10'000;  // of what one request may hold, by the API
constexpr uint64_t kKeysMax = 1'000'000'000;

constexpr const char* kFooter =
    R"(Examples:
  holdfast bench put
  holdfast bench get --connections 64 --consistency local --runs 5
  holdfast bench mixed --read-share 0.9 --rate 20000      open loop: as clients that do not wait
  holdfast bench put --sweep --p99-limit 20ms             the highest rate that is kept
  holdfast bench ycsb-a --keys 1000000 --out a.json --html a.html
  holdfast bench compare a.json b.json

Without --rate each connection sends the next request when the last is answered (closed loop): a
server that stalls is asked for less, and its latencies look better than what users would see. With
--rate requests are due at fixed times, and latency counts from then. A rate that was not kept is
not reported, nor is it hidden who was behind: the server, or the generator.

Keys are overwritten under --key-prefix, and stay. Exit codes: 0 measured; 1 wrong usage; 2 measured,
with errors; 3 the rate was not kept; 5 nobody answers.)";

std::string names_of_workloads() {
  std::string text;
  for (const Workload& workload : workloads()) {
    text += fmt::format("\n  {:<8}{}", workload.name, workload.purpose);
  }
  return text;
}

template <class Number>
void add_number(CLI::App& app, const char* name, Number& target, const char* help, Number most) {
  app.add_option(name, target, help)
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(Number{1}, most));
}

void add_what(CLI::App& app, Options& options) {
  Settings& settings = options.settings;
  app.add_option("WORKLOAD", options.workload, "One of:" + names_of_workloads());
  app.add_option("--endpoint", options.endpoints,
                 "Nodes to ask, separated by commas; connections go to them by turns")
      ->type_name("URL,URL…")
      ->envname("HOLDFAST_ENDPOINTS");
  app.add_option("--product", options.product, "Who is asked: holdfast, etcd, redis, static")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember({"holdfast", "etcd", "redis", "static"}).description(""));
  add_number(app, "--keys", settings.keys, "How many keys", kKeysMax);
  app.add_option("--choice", options.choice, "Which of them: uniform, zipfian, latest")
      ->type_name("HOW")
      ->check(CLI::IsMember({"uniform", "zipfian", "latest"}).description(""));
  app.add_option("--value-size", options.value_size,
                 "Bytes of a value, N or FROM-TO (100; 1000 for ycsb)")
      ->type_name("N");
  app.add_option("--key-prefix", settings.key_prefix, "What each key begins with")
      ->type_name("TEXT")
      ->capture_default_str();
  cli::add_consistency_option(app, settings.consistency);
  app.add_option("--read-share", options.read_share, "Of mixed: how many are gets (0.5)")
      ->type_name("SHARE")
      ->check(CLI::Range(0.0, 1.0));
  add_number(app, "--scan-items", settings.scan_items, "Of a scan, at most", kCountMax);
  add_number(app, "--txn-operations", settings.txn_operations, "In one transaction", kCountMax);
  add_number(app, "--bulk-lines", settings.bulk_lines, "In one request", kCountMax);
  add_number(app, "--watchers", settings.watchers, "Of the workload watch", kConnectionsMax);
  app.add_option("--wait-replicas", settings.wait_replicas,
                 "Of redis: how many replicas must have a write; 0: no WAIT")
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--no-preload", options.no_preload, "The keys are there already");
  app.add_option("--seed", settings.seed, "Of what is drawn")
      ->type_name("N")
      ->capture_default_str();
}

void add_how(CLI::App& app, Options& options) {
  Settings& settings = options.settings;
  add_number(app, "--connections", settings.connections, "How many", kConnectionsMax);
  add_number(app, "--depth", settings.depth, "Requests under way on each", kCountMax);
  add_number(app, "--threads", settings.threads, "Of the generator", 64U);
  app.add_option("--rate", settings.rate, "Open loop: so many operations a second")
      ->type_name("N")
      ->check(CLI::Range(0.1, 1e8));
  cli::add_duration_option(app, "--duration", settings.duration, "Of what is measured (10s)");
  app.add_option_function<std::string>(
         "--warmup",
         [&settings](const std::string& text) {
           const std::optional<Duration> duration =
               text == "0" ? std::optional(Duration::zero()) : parse_duration(text);
           if (!duration) {
             throw CLI::ValidationError("'" + text + "' is not a duration: write 0, 500ms or 2s");
           }
           settings.warmup = *duration;
         },
         "Before it (2s)")
      ->type_name("TIME");
  cli::add_duration_option(app, "--timeout", settings.timeout,
                           "A connection that is silent for so long is given up (10s)");
  add_number(app, "--runs", settings.runs, "How many times", 1'000U);
  app.add_flag("--sweep", options.is_sweep, "Look for the highest rate that is kept");
  app.add_option("--from", options.sweep_from, "Of a sweep: the first rate")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 1e8));
  app.add_option("--factor", options.sweep_factor, "Of a sweep: from one rate to the next")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1.01, 100.0));
  cli::add_duration_option(app, "--p99-limit", options.p99_limit,
                           "Of a sweep: a rate with a longer p99 is too high (50ms)");
}

void add_reports(CLI::App& app, Options& options) {
  app.add_option("--label", options.label, "What the report is called")->type_name("TEXT");
  app.add_flag("--json", options.as_json, "Print JSON");
  app.add_option("--out", options.out_file, "The JSON into a file, for `compare`")
      ->type_name("FILE");
  app.add_option("--html", options.html_file, "A page with charts")->type_name("FILE");
  CLI::App* const compare =
      app.add_subcommand("compare", "Two reports beside each other")->fallthrough();
  compare->add_option("FILES", options.compared, "A.json B.json")->required()->expected(2);
  compare->footer(
      "Prints how many times A's figure B's is. Where runs of both overlap, the difference is "
      "within "
      "the noise.");
}

}  // namespace

void add_options(CLI::App& app, Options& options) {
  app.set_version_flag("--version", "holdfast-bench " HOLDFAST_VERSION);
  add_what(app, options);
  add_how(app, options);
  add_reports(app, options);
  app.footer(kFooter);
}

Result<> settle_options(Options& options) {
  if (!options.compared.empty()) return {};
  Settings& settings = options.settings;
  const Workload* const workload = find_workload(options.workload);
  if (workload == nullptr) {
    return fail(ErrorCode::kInvalid,
                options.workload.empty()
                    ? std::string("which workload? See holdfast bench --help")
                    : fmt::format("there is no workload '{}': see holdfast bench --help",
                                  options.workload));
  }
  settings.workload = *workload;
  settings.choice = options.choice ? *parse_key_choice(*options.choice) : settings.workload.choice;
  settings.product = *parse_product(options.product);
  settings.value = {.least = workload->value_bytes, .most = workload->value_bytes};
  if (options.value_size) {
    const std::optional<SizeRange> size = parse_size_range(*options.value_size);
    if (!size) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("--value-size '{}' is no size: write 100 or 64-4096, at most 8388608",
                              *options.value_size));
    }
    settings.value = *size;
  }
  if (options.read_share) {
    if (workload->name != "mixed") {
      return fail(ErrorCode::kInvalid, "--read-share is for the workload mixed only");
    }
    settings.workload.mix[static_cast<size_t>(OpKind::kGet)] = *options.read_share;
    settings.workload.mix[static_cast<size_t>(OpKind::kPut)] = 1 - *options.read_share;
  }
  if (options.is_sweep && settings.rate) {
    return fail(ErrorCode::kInvalid, "--sweep looks for the rate itself: leave --rate out");
  }
  const std::string where = options.endpoints.empty() ? "http://127.0.0.1:4653" : options.endpoints;
  HOLDFAST_ASSIGN(settings.endpoints, parse_endpoints(where));
  settings.preload = settings.workload.reads() && !options.no_preload;
  return check_settings(settings);
}

}  // namespace holdfast::load
