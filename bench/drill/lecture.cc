#include "bench/drill/lecture.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "bench/drill/load.h"
#include "bench/drill/runner.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

using cli::Color;
using cli::painted;

struct Measured {
  uint64_t ok = 0;
  uint64_t failed = 0;
  double rate = 0;
  Latency latency;
};

// A cluster of so many nodes, and its writes.
struct Size {
  std::unique_ptr<Cluster> cluster;
  Measured writes;
};

constexpr int kTurns = 4;

class Lecture {
 public:
  explicit Lecture(const LecturePlan& plan) : plan_(plan) {}

  Exit give() {
    if (const Result<> given = parts(); !given) {
      fmt::print(stderr, "\nthe lecture cannot go on: {}\n", given.error().message);
      return Exit::kFailed;
    }
    for (const std::string& wrong : wrong_) fmt::print(stderr, "\n{}\n", wrong);
    return wrong_.empty() ? Exit::kClean : exit_;
  }

 private:
  Result<> parts() {
    HOLDFAST_TRY(reliability());
    HOLDFAST_TRY(performance());
    HOLDFAST_TRY(scale());
    HOLDFAST_TRY(inherent_distribution());
    return warning();
  }

  static void title(int number, const char* name, const char* sentence) {
    fmt::print("{}\n  {}\n\n", painted(stdout, Color::kBold, fmt::format("{}. {}", number, name)),
               sentence);
    std::fflush(stdout);
  }

  template <class... Args>
  static void say(fmt::format_string<Args...> format, Args&&... args) {
    fmt::print("  {}\n", fmt::format(format, std::forward<Args>(args)...));
    std::fflush(stdout);
  }

  Result<std::unique_ptr<Cluster>> cluster_of(int nodes) const {
    return Cluster::start({.nodes = nodes, .holdfastd = plan_.holdfastd, .seed = plan_.seed});
  }

  static std::vector<LoadTarget> targets_of(const Cluster& cluster) {
    std::vector<LoadTarget> targets;
    for (const auto& node : cluster.nodes()) targets.push_back({node->name, node->endpoint});
    return targets;
  }

  // Said at the end, too, and in how the program ends.
  void find_wrong(Exit exit, std::string what) {
    if (exit_ != Exit::kViolation) exit_ = exit;
    wrong_.push_back(std::move(what));
  }

  Measured measure(std::vector<LoadTarget> targets, Mix mix, size_t clients, Duration length,
                   Duration patience = std::chrono::seconds(2)) const {
    Load load({.targets = std::move(targets),
               .clients = clients,
               .mix = mix,
               .moves_on = false,
               .think = Duration::zero(),
               .patience = patience,
               .seed = plan_.seed});
    const Instant begin = clock_.now();
    std::this_thread::sleep_for(length);
    load.stop();
    const Instant end = clock_.now();
    Measured measured;
    const Pulse pulse = load.pulse();
    measured.ok = pulse.ok;
    measured.failed = pulse.refused + pulse.unknown;
    measured.rate =
        static_cast<double>(pulse.ok) / std::chrono::duration<double>(end - begin).count();
    const int64_t from = begin.time_since_epoch().count();
    const int64_t to = end.time_since_epoch().count();
    const Timeline timeline = timeline_of(load.take(), {from, to, to, to});
    if (!timeline.kinds.empty()) measured.latency = timeline.kinds.back().before;
    return measured;
  }

  static std::string per_second(const Measured& measured) {
    return with_commas(static_cast<uint64_t>(measured.rate)) + " a second";
  }

  Result<> reliability() {
    title(1, "Reliability", "A computer that fails takes nothing with it: others hold the same.");
    const Report report =
        run_drill(*drill_named("kill-primary"),
                  {.duration = 2 * plan_.part, .seed = plan_.seed, .holdfastd = plan_.holdfastd});
    if (report.timeline.kinds.empty()) return fail(ErrorCode::kUnavailable, spoken(report));
    for (const Event& event : events_of(report))
      say("{:6.3f} s  {}", report.seconds(event.at), event.what);
    const Felt& all = report.timeline.kinds.back();
    fmt::print("\n");
    say("Of three nodes the primary was killed while {} clients worked. The longest that any of "
        "them",
        report.clients);
    say("waited for anything to be answered was {:.0f} ms; {} got no answer and had to find out.",
        all.pause_ms, counted(all.unknown, "request"));
    say("The data: {}.\n", spoken(report));
    if (report.exit() == Exit::kViolation)
      find_wrong(Exit::kViolation, "THE DATA IS WRONG: " + spoken(report));
    else if (report.exit() != Exit::kClean)
      find_wrong(Exit::kFailed, "whether the data is right is not known: " + spoken(report));
    return {};
  }

  Result<> performance() {
    title(2, "Performance", "A copy near its user answers sooner than one far away.");
    HOLDFAST_ASSIGN(const std::unique_ptr<Cluster> cluster, cluster_of(3));
    HOLDFAST_ASSIGN(const std::string leader, cluster->leader());
    std::vector<Pair> far = cluster->pairs();
    std::erase_if(far, [&](const Pair& pair) { return pair.from != leader && pair.to != leader; });
    HOLDFAST_TRY(cluster->set_links(far, {.delay = std::chrono::milliseconds(25)}));
    std::vector<LoadTarget> near = targets_of(*cluster);
    std::erase_if(near, [&](const LoadTarget& target) { return target.name == leader; });
    near.resize(1);
    // Something to read.
    measure(near, Mix::kPuts, 2, plan_.part);
    const Measured right = measure(near, Mix::kLinearizableReads, 1, plan_.part);
    const Measured local = measure(near, Mix::kLocalReads, 1, plan_.part);
    say("The user is beside {}. The primary, {}, is far: everything to and from it takes 25 ms.",
        near.front().name, leader);
    say("A linearizable read at {} asks the primary, and the primary asks a majority, there and "
        "back:",
        near.front().name);
    say("four times 25 ms, p50 {:.1f} ms.", right.latency.p50_ms);
    say("A local read (consistency=local) asks nobody: p50 {:.2f} ms, and it may be behind.",
        local.latency.p50_ms);
    const double times = right.latency.p50_ms / std::max(local.latency.p50_ms, 0.01);
    say("That is the whole choice: {} times sooner, or never stale.\n",
        with_commas(static_cast<uint64_t>(times)));
    return {};
  }

  Result<> scale() {
    title(3, "Scale", "More nodes can answer more reads, and make each write dearer.");
    std::vector<Size> sizes;
    for (const int nodes : {1, 3, 5}) {
      HOLDFAST_ASSIGN(std::unique_ptr<Cluster> cluster, cluster_of(nodes));
      sizes.push_back({std::move(cluster), {}});
    }
    // The first writes come while the logs' files are still being made, and whatever else the
    // computer does makes writes slower, never faster: so they take turns, and of each size the
    // quietest turn counts.
    for (int turn = 0; turn <= kTurns; ++turn) {
      for (Size& size : sizes) {
        const Measured writes = measure(targets_of(*size.cluster), Mix::kPuts, 1, plan_.part / 2);
        const bool is_better =
            size.writes.ok == 0 || writes.latency.p50_ms < size.writes.latency.p50_ms;
        if (turn > 0 && is_better && writes.ok > 0) size.writes = writes;
      }
    }
    for (const Size& size : sizes) {
      const std::vector<LoadTarget> targets = targets_of(*size.cluster);
      const Measured reads = measure(targets, Mix::kLocalReads, 10, plan_.part);
      say("{}: one client's put takes {:.2f} ms (p99 {:.1f}); ten clients read locally {}",
          counted(targets.size(), "node"), size.writes.latency.p50_ms, size.writes.latency.p99_ms,
          per_second(reads));
    }
    one_node_ = sizes[0].writes;
    three_nodes_ = sizes[1].writes;
    say("(The sizes take turns at writing; of {} turns of each the quietest is shown.)", kTurns);
    say("A write waits for a majority of disks, and every node does the work of all writes: more");
    say("nodes never make writes faster. Local reads need one node only, so more computers serve "
        "more");
    say("of them; here all nodes share {} of one computer, so the figure cannot grow.\n",
        counted(std::thread::hardware_concurrency(), "core"));
    return {};
  }

  Result<> inherent_distribution() {
    title(4, "Inherent distribution",
          "Users are in different places. When the line between them is cut, who may go on?");
    HOLDFAST_ASSIGN(const std::unique_ptr<Cluster> cluster, cluster_of(3));
    HOLDFAST_ASSIGN(const std::string ann, cluster->leader());
    std::vector<LoadTarget> targets = targets_of(*cluster);
    const auto at = [&](const std::string& name) {
      return *std::ranges::find(targets, name, &LoadTarget::name);
    };
    const auto other =
        std::ranges::find_if(targets, [&](const LoadTarget& target) { return target.name != ann; });
    const std::string ben = other->name;
    std::vector<Pair> cut = cluster->pairs();
    std::erase_if(cut, [&](const Pair& pair) { return pair.from != ann && pair.to != ann; });
    HOLDFAST_TRY(cluster->set_links(cut, {.is_cut = true}));
    // Ben's side elects a primary in the meantime, which is a part of what is to be seen.
    const Measured bens = measure({at(ben)}, Mix::kPuts, 1, plan_.part);
    const Measured anns =
        measure({at(ann)}, Mix::kPuts, 1, plan_.part, std::chrono::milliseconds(500));
    const Measured anns_local = measure({at(ann)}, Mix::kLocalReads, 1, plan_.part);
    say("Ann is at {}, the primary; Ben at {}. The line between {} and the others is cut.", ann,
        ben, ann);
    say("Ben's side has two of three nodes, a majority: it elected a primary and took {} of his "
        "puts, {} failed.",
        with_commas(bens.ok), with_commas(bens.failed));
    say("Ann's node leads nobody any more: it took {} of hers, {} were refused or not answered.",
        with_commas(anns.ok), with_commas(anns.failed));
    say("She may still read what her node had ({} local reads), and it may be old.",
        with_commas(anns_local.ok));
    say("Were both sides to go on, there would be two truths. A majority exists only once: that is "
        "why.\n");
    if (anns.ok > 0)
      find_wrong(Exit::kViolation, "THIS IS WRONG: the side without a majority took puts");
    if (bens.ok == 0) find_wrong(Exit::kFailed, "the side with the majority took no puts");
    return {};
  }

  Result<> warning() {
    fmt::print("{}\n", painted(stdout, Color::kBold,
                               "If you can solve a problem on one computer, avoid distribution."));
    say("The same put, one client, synced before it is acknowledged:");
    say("one node     {:.2f} ms, {}, one process to watch", one_node_.latency.p50_ms,
        per_second(one_node_));
    say("three nodes  {:.2f} ms, {}, three processes, three disks, elections, and outcomes that "
        "are unknown",
        three_nodes_.latency.p50_ms, per_second(three_nodes_));
    const double times = three_nodes_.latency.p50_ms / std::max(one_node_.latency.p50_ms, 0.001);
    say("Each write took {:.1f} times as long with three as with one, before any network.", times);
    if (times < 1)
      say("(Less than 1: the computer had other work meanwhile. Ask again when it is quiet.)");
    say("Distribution is worth its price where one of the four reasons above is yours.");
    say("`holdfastd` without any flag is the other answer, and `holdfast backup` keeps it safe.");
    return {};
  }

  const LecturePlan plan_;
  const SystemClock clock_;
  Measured one_node_;
  Measured three_nodes_;
  Exit exit_ = Exit::kClean;
  std::vector<std::string> wrong_;  // in words
};

}  // namespace

Exit give_lecture(const LecturePlan& plan) {
  return Lecture(plan).give();
}

}  // namespace holdfast::drill
