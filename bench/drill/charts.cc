#include "bench/drill/charts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

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

// A value that is drawn as a line across, and named in the margin.
struct Tick {
  double share;  // of the height
  std::string name;
};

// 1, 2 or 5 times a power of ten: about as many steps to `most` as are wanted.
double step_to(double most, int wanted) {
  const double rough = most / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double times : {1.0, 2.0, 5.0})
    if (times * power >= rough) return times * power;
  return 10 * power;
}

std::string axis(const Report& report) {
  const double end = report.seconds(report.window.end);
  const double step = step_to(std::max(end, 0.001), 6);
  std::string html = R"(<div class="axis">)";
  // The last ones would stand out of the page.
  for (double at = 0; at <= end * 0.97; at += step)
    html += fmt::format(R"(<span style="left:{:.1f}%">{:g} s</span>)",
                        x_of(report, at) / kWidth * 100, at);
  return html + "</div>";
}

std::string figure(const Report& report, const char* title, const std::string& legend,
                   const std::vector<Tick>& ticks, const std::string& shapes) {
  std::string lines;
  std::string names;
  for (const Tick& tick : ticks) {
    const double y = kHeight - tick.share * kHeight;
    lines += fmt::format(R"(<line class="grid" x1="0" x2="{:.0f}" y1="{:.1f}" y2="{:.1f}"/>)",
                         kWidth, y, y);
    names += fmt::format(R"(<span class="tick" style="top:{:.1f}%">{}</span>)", y / kHeight * 100,
                         tick.name);
  }
  return fmt::format(
      R"(<figure><figcaption><b>{}</b> {}</figcaption><div class="plot">{})"
      R"(<svg viewBox="0 0 {:.0f} {:.0f}" preserveAspectRatio="none" role="img" aria-label="{}">{}{}{}{}</svg></div>{}</figure>)",
      title, legend, names, kWidth, kHeight, title, backdrop(report), lines, shapes, hints(report),
      axis(report));
}

std::string key(const char* kind, const char* name) {
  return fmt::format(R"(<span class="key"><i class="{}"></i>{}</span> )", kind, name);
}

// `height_of`: a share of the height; nothing: there is none, and the curve has a gap.
template <class Value>
std::string curve(const Report& report, const char* kind, const Value& height_of) {
  const std::vector<Bucket>& buckets = report.timeline.buckets;
  std::string path;
  bool is_on = false;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const std::optional<double> height = height_of(buckets[i]);
    if (height) {
      const double seconds = (static_cast<double>(i) + 0.5) * report.timeline.bucket_s;
      // One that stands alone is a dot: a line to where it is.
      path += fmt::format("{0}{1:.1f} {2:.1f}", is_on ? "L" : "M", x_of(report, seconds),
                          kHeight - *height * kHeight);
      if (!is_on) path += "h0";
    }
    is_on = height.has_value();
  }
  return fmt::format(R"(<path class="{}" d="{}"/>)", kind, path);
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
  const double top = static_cast<double>(most) * 1.1;
  const auto share = [&](uint64_t count) {
    return std::optional(static_cast<double>(count) / top);
  };
  std::string shapes;
  shapes += curve(report, "reads", [&](const Bucket& bucket) { return share(bucket.reads); });
  shapes += curve(report, "changes", [&](const Bucket& bucket) { return share(bucket.writes); });
  shapes += curve(report, "failed", [&](const Bucket& bucket) { return share(bucket.failed); });
  std::vector<Tick> ticks;
  const double top_rate = top / report.timeline.bucket_s;
  const double step = step_to(top_rate, 6);
  for (double rate = step; rate < top_rate; rate += step)
    ticks.push_back({rate / top_rate, with_commas(static_cast<uint64_t>(rate))});
  return figure(report, "Answered a second",
                key("reads", "reads") + key("changes", "changes") + key("failed", "failed") +
                    key("fault", "while the fault lasts") + key("elected", "a new primary"),
                ticks, shapes);
}

std::string latency_chart(const Report& report) {
  // From 0.1 ms up, each step ten times as much.
  double most = 1;
  for (const Bucket& bucket : report.timeline.buckets) most = std::max(most, bucket.p99_ms);
  const double decades = std::log10(most / 0.1) * 1.05;
  const auto share = [&](double ms) {
    return std::clamp(std::log10(std::max(ms, 0.1) / 0.1) / decades, 0.0, 1.0);
  };
  // Of nothing there is no latency, and none is drawn.
  const auto share_of = [&](const Bucket& bucket, double ms) {
    return bucket.reads + bucket.writes > 0 ? std::optional(share(ms)) : std::nullopt;
  };
  std::string shapes;
  shapes += curve(report, "p99", [&](const Bucket& of) { return share_of(of, of.p99_ms); });
  shapes += curve(report, "p50", [&](const Bucket& of) { return share_of(of, of.p50_ms); });
  std::vector<Tick> ticks;
  for (double ms = 1; ms <= most; ms *= 10)
    ticks.push_back(
        {share(ms), ms < 1000 ? fmt::format("{:g} ms", ms) : fmt::format("{:g} s", ms / 1000)});
  return figure(report, "Latency of what was answered", key("p50", "p50") + key("p99", "p99"),
                ticks, shapes);
}

std::string roles_chart(const Report& report) {
  std::map<std::string, std::vector<RoleChange>> nodes;
  for (const RoleChange& change : report.roles) nodes[change.node].push_back(change);
  std::string html = "<figure><figcaption><b>Roles</b> " + key("leader", "primary") +
                     key("follower", "backup") + key("candidate", "candidate") +
                     key("silent", "silent") + key("gone", "gone") + "</figcaption>";
  for (const auto& [node, changes] : nodes) {
    html += fmt::format(
        R"(<div class="lane"><span title="{0}">{0}</span><svg viewBox="0 0 {1:.0f} 10" preserveAspectRatio="none" role="img" aria-label="roles of {0}">)",
        html_escaped(node), kWidth);
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
  return html + axis(report) + "</figure>";
}

}  // namespace holdfast::drill
