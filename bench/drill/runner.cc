#include "bench/drill/runner.h"

#include <algorithm>
#include <iterator>
#include <sys/utsname.h>
#include <thread>

#include <fmt/format.h>

#include "bench/drill/audit.h"
#include "bench/drill/load.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

constexpr const char* kAuditor = "audit";
// Of the whole duration.
constexpr double kBefore = 0.25;
constexpr double kDuring = 0.4;
constexpr double kAfter = 0.35;

Duration share_of(Duration whole, double share) {
  return std::chrono::duration_cast<Duration>(whole * share);
}

Environment environment_of(const Clock& clock) {
  utsname system{};
  ::uname(&system);
  return {.version = HOLDFAST_VERSION,
          .system = fmt::format("{} {} {}", system.sysname, system.release, system.machine),
          .cores = std::thread::hardware_concurrency(),
          .started = time_text(clock.wall())};
}

// A line on the terminal that is drawn over and over.
class ProgressLine {
 public:
  ProgressLine(const std::string& drill, const Load& load, const Stage& stage)
      : drill_(drill), load_(load), stage_(stage), begun_(clock_.now()), drawn_(begun_) {}
  ~ProgressLine() { fmt::print(stderr, "\r\x1b[K"); }

  void draw() {
    const Instant now = clock_.now();
    if (now - drawn_ < std::chrono::milliseconds(200)) return;
    const Pulse pulse = load_.pulse();
    const double seconds = std::chrono::duration<double>(now - drawn_).count();
    const auto rate = static_cast<uint64_t>(static_cast<double>(pulse.ok - known_.ok) / seconds);
    const char* const phase = stage_.fault_begin == 0                     ? "before"
                              : stage_.fault_end < stage_.marks.back().at ? "during"
                                                                          : "after";
    const std::string leader = stage_.watch.leader();
    const std::string last = stage_.marks.empty() ? "" : stage_.marks.back().what;
    std::string line = fmt::format(
        "{}  {:4.1f} s  {}  primary {}  {}/s  {} refused  {} unknown  {}", drill_,
        std::chrono::duration<double>(now - begun_).count(), phase, leader.empty() ? "?" : leader,
        with_commas(rate), with_commas(pulse.refused), with_commas(pulse.unknown), last);
    fmt::print(stderr, "\r\x1b[K{}",
               cli::shortened(std::move(line), cli::terminal_width(stderr) - 1));
    std::fflush(stderr);
    known_ = pulse;
    drawn_ = now;
  }

 private:
  const std::string drill_;
  const Load& load_;
  const Stage& stage_;
  const SystemClock clock_;
  const Instant begun_;
  Instant drawn_;
  Pulse known_;
};

class Run {
 public:
  Run(const Drill& drill, const RunPlan& plan) : drill_(drill), plan_(plan) {
    report_.drill = drill.name;
    report_.purpose = drill.purpose;
    report_.nodes = drill.nodes > 0 ? drill.nodes : plan.nodes;
    report_.clients = plan.clients;
    report_.seed = plan.seed;
    report_.environment = environment_of(clock_);
    report_.command = command();
  }

  Report run() {
    const Result<> done = play();
    if (!done && report_.problem.empty()) report_.problem = done.error().message;
    if (cluster_ && report_.exit() != Exit::kClean) cluster_->keep_directory();
    return std::move(report_);
  }

 private:
  Result<> play() {
    HOLDFAST_TRY(begin());
    RoleWatch watch;
    // A running cluster may hold the keys of an earlier drill, and those of others.
    if (!cluster_->is_ours()) prefix_ = fmt::format("holdfast-drill-{:x}/", wall_ms(clock_));
    LoadPlan load_plan{.prefix = prefix_, .clients = plan_.clients, .seed = plan_.seed};
    for (const auto& node : cluster_->nodes()) {
      watch.add(node->name, node->endpoint);
      load_plan.targets.push_back({node->name, node->through});
    }
    Stage stage(*cluster_, watch, share_of(plan_.duration, kDuring), plan_.seed);
    report_.window.begin = now();
    Load load(load_plan);
    const Result<> played = play(stage, load);
    load.stop();
    report_.window.end = now();
    watch.stop();
    report_.marks = stage.marks;
    report_.roles = watch.changes();
    if (!played) report_.problem = played.error().message;
    // What went wrong may have taken data with it: that is looked at all the same.
    const auto& nodes = cluster_->nodes();
    const auto auditor = std::ranges::find_if(nodes, [&](const auto& node) {
      return (!cluster_->is_ours() || node->process) && cluster_->is_ready(*node);
    });
    judge(load, stage, auditor == nodes.end() ? nullptr : auditor->get());
    if (!cluster_->is_ours()) clear();
    return played;
  }

  void clear() {
    KvClient client = cluster_->client();
    const WriteOutcome<DeleteAnswer> outcome = client.remove_prefix(prefix_);
    if (!std::holds_alternative<DeleteAnswer>(outcome))
      add_problem(fmt::format("keys of the drill are left, beginning with '{}'", prefix_));
  }

  void add_problem(const std::string& problem) {
    report_.problem += (report_.problem.empty() ? "" : "; ") + problem;
  }

  Result<> begin() {
    if (!plan_.endpoints.empty()) return begin_there();
    report_.means = drill_.here.how;
    HOLDFAST_ASSIGN(cluster_, Cluster::start({.nodes = report_.nodes,
                                              .holdfastd = plan_.holdfastd,
                                              .has_faults_api = drill_.here.needs_faults_api,
                                              .seed = plan_.seed}));
    return {};
  }

  // On a cluster that runs already.
  Result<> begin_there() {
    report_.means = drill_.there ? drill_.there->how : drill_.here.how;
    if (!drill_.there)
      return fail(ErrorCode::kInvalid,
                  fmt::format("{} is not done to a running cluster: {}. Without --endpoints it "
                              "starts one of its own",
                              drill_.name, drill_.there.error()));
    HOLDFAST_ASSIGN(cluster_, Cluster::attach(plan_.endpoints));
    report_.nodes = static_cast<int>(cluster_->nodes().size());
    HOLDFAST_TRY(cluster_->wait_ready(std::chrono::seconds(5)));
    if (drill_.there->needs_faults_api) HOLDFAST_TRY(cluster_->can_be_faulted());
    return {};
  }

  Result<> play(Stage& stage, const Load& load) {
    std::optional<ProgressLine> progress;
    if (plan_.shows_progress && cli::is_terminal(stderr)) {
      progress.emplace(drill_.name, load, stage);
      stage.while_waiting = [&progress] { progress->draw(); };
    }
    stage.pass(share_of(plan_.duration, kBefore));
    const Result<> played = drill_.play(stage);
    Window& window = report_.window;
    window.fault_begin = stage.fault_begin != 0 ? stage.fault_begin : now();
    window.fault_end = std::max(stage.fault_end, window.fault_begin);
    if (std::optional<std::string> ended = cluster_->unexpected_end())
      return fail(ErrorCode::kIo, *std::move(ended));
    // Also where it failed: what is wrong on purpose would stand before what is looked at.
    const Result<> healed = cluster_->heal();
    HOLDFAST_TRY(played);
    HOLDFAST_TRY(healed);
    stage.pass(share_of(plan_.duration, kAfter));
    if (std::optional<std::string> ended = cluster_->unexpected_end())
      return fail(ErrorCode::kIo, *std::move(ended));
    return cluster_->wait_ready();
  }

  // `auditor`: null where no node serves.
  void judge(const Load& load, const Stage& stage, const Node* auditor) {
    History history = load.take();
    if (auditor != nullptr) load.audit({auditor->name, auditor->endpoint}, history);
    report_.timeline = timeline_of(history, report_.window);
    report_.verdict = check(history);
    std::ranges::copy(stage.violations, std::back_inserter(report_.verdict.violations));
    report_.acknowledged = acknowledged_changes(history);
    report_.lost = lost_changes(history, kAuditor);
    report_.unread = unread_keys(history, kAuditor);
    report_.ends = ends_of(*cluster_, prefix_);
    report_.agreement = agreement_of(report_.ends);
    if (report_.exit() == Exit::kClean) return;
    const std::string file = fmt::format("holdfast-drill-{}.ndjson", drill_.name);
    if (const Result<> kept = write_history(history, file); kept)
      report_.history_file = file;
    else
      add_problem("what was recorded is not kept: " + kept.error().message);
  }

  std::string command() const {
    std::string command = fmt::format("holdfast drill run {}", drill_.name);
    if (plan_.endpoints.empty()) command += fmt::format(" --nodes {}", plan_.nodes);
    command += fmt::format(" --clients {} --duration {} --seed {}", plan_.clients,
                           duration_text(plan_.duration), plan_.seed);
    for (size_t i = 0; i < plan_.endpoints.size(); ++i)
      command += (i == 0 ? " --endpoints " : ",") + plan_.endpoints[i].url();
    return command;
  }

  int64_t now() const { return clock_.now().time_since_epoch().count(); }

  const Drill& drill_;
  const RunPlan& plan_;
  const SystemClock clock_;
  std::unique_ptr<Cluster> cluster_;
  std::string prefix_;  // of all keys
  Report report_;
};

}  // namespace

Report run_drill(const Drill& drill, const RunPlan& plan) {
  return Run(drill, plan).run();
}

}  // namespace holdfast::drill
