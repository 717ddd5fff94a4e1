#include "bench/drill/charts.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

// Of every drawing, whatever its size on the page.
constexpr double kWidth = 1000;
constexpr double kHeight = 100;

double x_of(const Report& report, double seconds) {
  const double length = std::max(report.seconds(report.window.end), 0.001);
  return std::clamp(seconds / length, 0.0, 1.0) * kWidth;
}

// When a fault lasted, when a mark was made, and when somebody became the primary.
std::string backdrop(const Report& report) {
  const double begin = x_of(report, report.seconds(report.window.fault_begin));
  const double end = x_of(report, report.seconds(report.window.fault_end));
  std::string svg =
      fmt::format(R"(<rect class="fault" x="{:.1f}" y="0" width="{:.1f}" height="{:.0f}"/>)", begin,
                  std::max(end - begin, 1.0), kHeight);
  const auto line = [&](int64_t at, const char* kind, const std::string& what) {
    const double x = x_of(report, report.seconds(at));
    svg += fmt::format(
        R"(<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="0" y2="{:.0f}"><title>{:.3f} s: {}</title></line>)",
        kind, x, x, kHeight, report.seconds(at), html_escaped(what));
  };
  for (const Mark& mark : report.marks) line(mark.at, mark.is_fault ? "mark" : "over", mark.what);
  for (const RoleChange& change : report.roles)
    if (change.role == "leader" && change.at > report.window.begin)
      line(change.at, "elected", fmt::format("{} is primary in term {}", change.node, change.term));
  return svg;
}

std::string axis(const Report& report) {
  return fmt::format(
      R"(<div class="axis"><span>0 s</span><span>fault {:.1f} to {:.1f} s</span><span>{:.1f} s</span></div>)",
      report.seconds(report.window.fault_begin), report.seconds(report.window.fault_end),
      report.seconds(report.window.end));
}

std::string figure(const std::string& title, const std::string& legend, const std::string& most,
                   const std::string& shapes) {
  return fmt::format(
      R"(<figure><figcaption><b>{}</b> {}</figcaption><div class="plot"><span class="most">{}</span>)"
      R"(<svg viewBox="0 0 {:.0f} {:.0f}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg></div>)",
      title, legend, most, kWidth, kHeight, title, shapes);
}

std::string key(const char* kind, const char* name) {
  return fmt::format(R"(<span class="key"><i class="{}"></i>{}</span> )", kind, name);
}

template <class Value>
std::string curve(const Report& report, const char* kind, const Value& height_of) {
  const std::vector<Bucket>& buckets = report.timeline.buckets;
  std::string points;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const double seconds = (static_cast<double>(i) + 0.5) * report.timeline.bucket_s;
    points += fmt::format("{:.1f},{:.1f} ", x_of(report, seconds),
                          kHeight - height_of(buckets[i]) * kHeight);
  }
  return fmt::format(R"(<polyline class="{}" points="{}"/>)", kind, points);
}

// Nothing to see, all to point at.
std::string hints(const Report& report) {
  std::string svg;
  const std::vector<Bucket>& buckets = report.timeline.buckets;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const Bucket& bucket = buckets[i];
    const double from = x_of(report, static_cast<double>(i) * report.timeline.bucket_s);
    const double to = x_of(report, static_cast<double>(i + 1) * report.timeline.bucket_s);
    svg += fmt::format(
        R"(<rect class="hint" x="{:.1f}" y="0" width="{:.1f}" height="{:.0f}"><title>{:.1f} s: {} reads, {} changes, {} failed; p50 {:.1f} ms, p99 {:.1f} ms</title></rect>)",
        from, to - from, kHeight, static_cast<double>(i) * report.timeline.bucket_s, bucket.reads,
        bucket.writes, bucket.failed, bucket.p50_ms, bucket.p99_ms);
  }
  return svg;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out.push_back(c);
  }
  return out;
}

std::string throughput_chart(const Report& report) {
  uint64_t most = 1;
  for (const Bucket& bucket : report.timeline.buckets)
    most = std::max({most, bucket.reads, bucket.writes, bucket.failed});
  const auto share = [&](uint64_t count) {
    return static_cast<double>(count) / (static_cast<double>(most) * 1.1);
  };
  std::string shapes = backdrop(report);
  shapes += curve(report, "reads", [&](const Bucket& bucket) { return share(bucket.reads); });
  shapes += curve(report, "changes", [&](const Bucket& bucket) { return share(bucket.writes); });
  shapes += curve(report, "failed", [&](const Bucket& bucket) { return share(bucket.failed); });
  shapes += hints(report);
  const auto rate = static_cast<uint64_t>(static_cast<double>(most) / report.timeline.bucket_s);
  return figure("Answered",
                key("reads", "reads") + key("changes", "changes") + key("failed", "failed"),
                fmt::format("{} a second", with_commas(rate)), shapes) +
         axis(report) + "</figure>";
}

std::string latency_chart(const Report& report) {
  // From 0.1 ms up, each step ten times as much.
  double most = 1;
  for (const Bucket& bucket : report.timeline.buckets) most = std::max(most, bucket.p99_ms);
  const double decades = std::log10(most / 0.1) * 1.05;
  const auto share = [&](double ms) {
    return std::clamp(std::log10(std::max(ms, 0.1) / 0.1) / decades, 0.0, 1.0);
  };
  std::string shapes = backdrop(report);
  for (double ms = 1; ms < most; ms *= 10)
    shapes += fmt::format(R"(<line class="grid" x1="0" x2="{:.0f}" y1="{:.1f}" y2="{:.1f}"/>)",
                          kWidth, kHeight - share(ms) * kHeight, kHeight - share(ms) * kHeight);
  shapes += curve(report, "p99", [&](const Bucket& bucket) { return share(bucket.p99_ms); });
  shapes += curve(report, "p50", [&](const Bucket& bucket) { return share(bucket.p50_ms); });
  shapes += hints(report);
  return figure(
             "Latency",
             key("p50", "p50") + key("p99", "p99") + "each line ten times the one below, from 1 ms",
             fmt::format("{:.0f} ms", most), shapes) +
         axis(report) + "</figure>";
}

std::string roles_chart(const Report& report) {
  std::map<std::string, std::vector<RoleChange>> nodes;
  for (const RoleChange& change : report.roles) nodes[change.node].push_back(change);
  std::string html = "<figure><figcaption><b>Roles</b> " + key("leader", "primary") +
                     key("follower", "backup") + key("candidate", "candidate") +
                     key("silent", "silent") + key("gone", "gone") + "</figcaption>";
  for (const auto& [node, changes] : nodes) {
    html += fmt::format(
        R"(<div class="lane"><span>{}</span><svg viewBox="0 0 {:.0f} 10" preserveAspectRatio="none" role="img" aria-label="roles of {}">)",
        html_escaped(node), kWidth, html_escaped(node));
    for (size_t i = 0; i < changes.size(); ++i) {
      const double from = x_of(report, report.seconds(changes[i].at));
      const double to =
          i + 1 < changes.size() ? x_of(report, report.seconds(changes[i + 1].at)) : kWidth;
      html += fmt::format(
          R"(<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="10"><title>{:.3f} s: {} in term {}</title></rect>)",
          html_escaped(changes[i].role), from, std::max(to - from, 0.0),
          report.seconds(changes[i].at), html_escaped(changes[i].role), changes[i].term);
    }
    html += "</svg></div>";
  }
  return html + "</figure>";
}

}  // namespace holdfast::drill
