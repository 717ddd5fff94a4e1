#include "bench/drill/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bench/drill/check_command.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

using cli::Color;
using cli::painted;

constexpr size_t kColumns = 60;  // of the drawn timeline

std::string brief_ms(double ms) {
  if (ms >= 1000) return fmt::format("{:.2f} s", ms / 1000);
  return ms < 10 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} ms", ms);
}

std::string latency_words(const Latency& latency) {
  if (latency.count == 0) return "-";
  return fmt::format("{:.1f} / {:.1f} / {:.1f}", latency.p50_ms, latency.p99_ms, latency.p999_ms);
}

size_t column_of(const Report& report, int64_t at) {
  const Window& window = report.window;
  const double share = static_cast<double>(at - window.begin) /
                       static_cast<double>(std::max<int64_t>(window.end - window.begin, 1));
  const double place = std::clamp(share, 0.0, 1.0) * static_cast<double>(kColumns - 1);
  return static_cast<size_t>(place);
}

// How much of something there was in each column, as blocks of eight heights.
std::string blocks(const Report& report, uint64_t Bucket::* what) {
  static constexpr std::array<const char*, 9> kHeights = {" ", "▁", "▂", "▃", "▄",
                                                          "▅", "▆", "▇", "█"};
  const std::vector<Bucket>& buckets = report.timeline.buckets;
  std::array<double, kColumns> means{};
  for (size_t i = 0; i < kColumns; ++i) {
    // Those that lie in the column; where buckets are wider than columns, the one that it lies in.
    const size_t first = i * buckets.size() / kColumns;
    const size_t last = std::max((i + 1) * buckets.size() / kColumns, first + 1);
    for (size_t at = first; at < last; ++at) means[i] += static_cast<double>(buckets[at].*what);
    means[i] /= static_cast<double>(last - first);
  }
  const double most = std::max(*std::ranges::max_element(means), 1.0);
  std::string line;
  for (const double mean : means) line += kHeights[static_cast<size_t>(std::ceil(mean * 8 / most))];
  return line;
}

char letter_of(const std::string& role) {
  if (role == "leader") return 'P';
  if (role == "gone") return 'x';
  if (role == "silent") return '?';
  return role == "candidate" ? 'c' : '.';
}

std::string roles_of(const Report& report, const std::string& node) {
  std::string line(kColumns, ' ');
  for (const RoleChange& change : report.roles) {
    if (change.node != node) continue;
    const size_t from = column_of(report, change.at);
    std::fill(line.begin() + static_cast<ptrdiff_t>(from), line.end(), letter_of(change.role));
  }
  return line;
}

void print_drawing(const Report& report) {
  fmt::print("\n  {:<9}{}\n", "reads", blocks(report, &Bucket::reads));
  fmt::print("  {:<9}{}\n", "changes", blocks(report, &Bucket::writes));
  fmt::print("  {:<9}{}\n", "failed",
             painted(stdout, Color::kRed, blocks(report, &Bucket::failed)));
  std::vector<std::string> nodes;
  for (const RoleChange& change : report.roles)
    if (std::ranges::find(nodes, change.node) == nodes.end()) nodes.push_back(change.node);
  std::ranges::sort(nodes);
  for (const std::string& node : nodes) fmt::print("  {:<9}{}\n", node, roles_of(report, node));
  std::string marks(kColumns, ' ');
  for (const Mark& mark : report.marks)
    if (char& at = marks[column_of(report, mark.at)]; at != '!') at = mark.is_fault ? '!' : '^';
  fmt::print("  {:<9}{}\n", "", marks);
  fmt::print("  {:<9}{}\n", "",
             painted(stdout, Color::kDim,
                     "P primary  . backup  c candidate  x gone  ? silent  ! fault  ^ over"));
}

Color color_of(Event::Kind kind) {
  if (kind == Event::Kind::kFault) return Color::kYellow;
  return kind == Event::Kind::kElected ? Color::kGreen : Color::kNone;
}

void print_events(const Report& report) {
  fmt::print("\n");
  for (const Event& event : events_of(report))
    fmt::print("  {:>7.3f} s  {}\n", report.seconds(event.at),
               painted(stdout, color_of(event.kind), event.what));
}

void print_felt(const Report& report) {
  using Align = cli::Table::Align;
  cli::Table table({Align::kLeft, Align::kRight, Align::kRight, Align::kRight, Align::kRight,
                    Align::kLeft, Align::kRight, Align::kRight, Align::kRight});
  const auto row = [&](std::vector<std::string> texts) {
    std::vector<cli::Table::Cell> cells;
    for (std::string& text : texts) cells.push_back({std::move(text)});
    table.add(std::move(cells));
  };
  row({"  WHAT", "OK", "REFUSED", "UNKNOWN", "LONGEST PAUSE", "FROM, TO", "BEFORE", "DURING",
       "AFTER"});
  for (const Felt& felt : report.timeline.kinds)
    row({"  " + felt.kind, with_commas(felt.ok), with_commas(felt.refused),
         with_commas(felt.unknown), brief_ms(felt.pause_ms),
         fmt::format("{:.3f}, {:.3f} s", felt.last_ok_s, felt.first_ok_s),
         latency_words(felt.before), latency_words(felt.during), latency_words(felt.after)});
  fmt::print("\n");
  table.print(stdout);
  fmt::print("{}\n", painted(stdout, Color::kDim,
                             "  before, during, after: latency of what was answered, p50 / p99 / "
                             "p99.9 in ms"));
}

void print_line(bool is_good, const std::string& text) {
  fmt::print("  {} {}\n",
             painted(stdout, is_good ? Color::kGreen : Color::kRed, is_good ? "✓" : "✗"), text);
}

void print_ends(const Report& report) {
  if (report.agreement == Agreement::kUntold) return;
  if (report.agreement == Agreement::kEqual) {
    const NodeEnd& first = report.ends.front();
    print_line(true, fmt::format("all {} nodes hold the same {} at revision {}", report.ends.size(),
                                 counted(first.rows, "row"), with_commas(first.revision)));
    return;
  }
  print_line(false, "the nodes do not hold the same");
  for (const NodeEnd& end : report.ends) fmt::print("    {}\n", in_words(end));
}

}  // namespace

Exit Report::exit() const {
  if (!verdict.violations.empty() || !lost.empty() || agreement == Agreement::kDiffer)
    return Exit::kViolation;
  if (!problem.empty() || verdict.operations == 0 || acknowledged == 0 || !unread.empty() ||
      agreement == Agreement::kUntold)
    return Exit::kFailed;
  return verdict.undecided.empty() ? Exit::kClean : Exit::kUndecided;
}

std::vector<Event> events_of(const Report& report) {
  std::vector<Event> events;
  for (const Mark& mark : report.marks)
    events.push_back(
        {mark.at, mark.what, mark.is_fault ? Event::Kind::kFault : Event::Kind::kNote});
  for (const RoleChange& change : report.roles)
    if (change.role == "leader" && change.at >= report.window.begin)
      events.push_back({change.at,
                        fmt::format("{} is primary in term {}", change.node, change.term),
                        Event::Kind::kElected});
  std::ranges::sort(events, {}, [](const Event& event) {
    return std::pair(event.at, std::string_view(event.what));
  });
  return events;
}

std::string spoken(const Report& report) {
  switch (report.exit()) {
    case Exit::kClean:
      return fmt::format("{}, none of {} lost, all nodes equal", spoken(report.verdict),
                         counted(report.acknowledged, "acknowledged change"));
    case Exit::kViolation:
      if (!report.lost.empty())
        return fmt::format("{} lost; {}", counted(report.lost.size(), "acknowledged change"),
                           spoken(report.verdict));
      return report.verdict.violations.empty() ? "the nodes do not hold the same"
                                               : spoken(report.verdict);
    case Exit::kUndecided:
      return spoken(report.verdict);
    case Exit::kUsage:
    case Exit::kFailed:
      break;
  }
  if (!report.problem.empty()) return report.problem;
  if (report.verdict.operations == 0 || report.acknowledged == 0)
    return "nothing was done: no change was acknowledged";
  return blind_spots(report).front();
}

std::vector<std::string> blind_spots(const Report& report) {
  constexpr size_t kNamed = 3;
  std::vector<std::string> spots;
  if (!report.unread.empty()) {
    const size_t named = std::min(report.unread.size(), kNamed);
    spots.push_back(fmt::format(
        "{} could not be read at the end, so whether acknowledged changes of {} are there is not "
        "known: {}{}",
        counted(report.unread.size(), "key"), report.unread.size() == 1 ? "it" : "them",
        fmt::join(report.unread.begin(), report.unread.begin() + static_cast<ptrdiff_t>(named),
                  ", "),
        named < report.unread.size() ? ", …" : ""));
  }
  if (report.agreement == Agreement::kUntold) {
    std::string untold;
    for (const NodeEnd& end : report.ends)
      if (!end.untold.empty())
        untold += fmt::format("{}{} does not tell what it holds ({})", untold.empty() ? "" : ", ",
                              end.name, end.untold);
    spots.push_back(fmt::format("whether all nodes hold the same is not known: {}",
                                untold.empty() ? "there was none to ask" : untold));
  }
  return spots;
}

std::string in_words(const NodeEnd& end) {
  if (!end.untold.empty()) return fmt::format("{}: not told: {}", end.name, end.untold);
  return fmt::format("{}: {} at revision {}, digest {}, state hash {} at {}", end.name,
                     counted(end.rows, "row"), end.revision, end.digest,
                     end.state_hash.empty() ? "none" : end.state_hash, end.state_hash_index);
}

void print(const Report& report) {
  fmt::print("{}  {}\n", painted(stdout, Color::kBold, report.drill), report.purpose);
  fmt::print("  made by: {}\n  {}, {}, seed {}\n", report.means,
             counted(static_cast<uint64_t>(report.nodes), "node"),
             counted(report.clients, "client"), report.seed);
  if (!report.timeline.buckets.empty()) {
    print_drawing(report);
    print_events(report);
    print_felt(report);
  }
  fmt::print("\n");
  if (report.verdict.operations > 0) {
    print(report.verdict, "  ");
    if (!report.lost.empty())
      print_line(false, fmt::format("{} of {} lost", report.lost.size(),
                                    counted(report.acknowledged, "acknowledged change")));
    else if (report.unread.empty())
      print_line(true, fmt::format("none of {} is lost",
                                   counted(report.acknowledged, "acknowledged change")));
    for (size_t i = 0; i < report.lost.size() && i < 10; ++i)
      fmt::print("    {}\n", report.lost[i]);
    print_ends(report);
    for (const std::string& spot : blind_spots(report)) print_line(false, spot);
  }
  if (!report.problem.empty()) print_line(false, report.problem);
  if (!report.history_file.empty())
    fmt::print("  what was recorded: {} (holdfast drill check looks at it again)\n",
               report.history_file);
  if (report.exit() != Exit::kClean) fmt::print("  again: {}\n", report.command);
}

}  // namespace holdfast::drill
