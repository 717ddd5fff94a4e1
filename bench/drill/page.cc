// The report as one page: no script, no font, no image from anywhere else.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "bench/drill/charts.h"
#include "bench/drill/report.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--ink:#16202a;--soft:#5b6b7a;--paper:#f6f7f9;--card:#fff;--edge:#dfe5ea;
--read:#2b6fb3;--change:#c07a12;--fail:#c62f3c;--good:#1d7f55;--back:#a9c4dc;--cand:#e2b33c;--gone:#3a4652;--silent:#b9a3c9;--fault:#c62f3c1c}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#93a4b4;--paper:#0f151b;--card:#18212a;--edge:#2a3743;
--read:#6cb0f0;--change:#eeb04e;--fail:#ff6b75;--good:#4cc38a;--back:#38536b;--gone:#000;--silent:#77618a;--fault:#ff6b7524}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:24px 16px 64px}h1{font-size:1.7rem;margin:0 0 4px}
h2{font-size:1.3rem;margin:0}p{margin:4px 0}.soft{color:var(--soft)}code{font:.86em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
article{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:20px;margin-top:24px}
.verdict{border-left:6px solid var(--good);padding:8px 14px;margin:14px 0;background:color-mix(in srgb,var(--good) 10%,transparent);border-radius:6px}
.verdict.bad{border-color:var(--fail);background:color-mix(in srgb,var(--fail) 10%,transparent)}
.verdict b{font-size:1.05rem}.verdict ul{margin:4px 0;padding-left:20px;overflow-wrap:anywhere}
figure{margin:22px 0 0}figcaption{font-size:.9rem;color:var(--soft);margin-bottom:6px}figcaption b{color:var(--ink);margin-right:8px}
.key{white-space:nowrap;margin-right:8px}.key i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:5px;vertical-align:-1px}
.plot{position:relative;border:1px solid var(--edge);border-radius:6px;overflow:hidden}.plot svg{display:block;width:100%;height:170px}
.most{position:absolute;left:8px;top:4px;font-size:.78rem;color:var(--soft)}
.axis{display:flex;justify-content:space-between;font-size:.78rem;color:var(--soft);margin-top:3px}
polyline{fill:none;stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}line{vector-effect:non-scaling-stroke}
polyline.reads,polyline.p50{stroke:var(--read)}polyline.changes,polyline.p99{stroke:var(--change)}polyline.failed{stroke:var(--fail)}
i.reads,i.p50{background:var(--read)}i.changes,i.p99{background:var(--change)}i.failed{background:var(--fail)}
rect.fault{fill:var(--fault)}line.mark{stroke:var(--fail);stroke-dasharray:4 3}line.over{stroke:var(--soft);stroke-dasharray:2 4}line.elected{stroke:var(--good);stroke-width:2}
line.grid{stroke:var(--edge)}rect.hint{fill:transparent}rect.hint:hover{fill:#8883}
.lane{display:flex;align-items:center;gap:8px;margin:3px 0;font-size:.85rem}.lane span{width:2.2em}.lane svg{flex:1;min-width:0;height:18px;border-radius:4px;background:var(--edge)}
rect.leader{fill:var(--good)}rect.follower{fill:var(--back)}rect.candidate{fill:var(--cand)}rect.gone{fill:var(--gone)}rect.silent{fill:var(--silent)}rect.learner{fill:var(--edge)}
i.leader{background:var(--good)}i.follower{background:var(--back)}i.candidate{background:var(--cand)}i.gone{background:var(--gone)}i.silent{background:var(--silent)}
table{border-collapse:collapse;width:100%;font-size:.88rem;margin-top:8px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:5px 8px;border-bottom:1px solid var(--edge)}th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}
.events td{text-align:left;vertical-align:top}.events td:first-child{text-align:right;color:var(--soft);white-space:nowrap;width:6em}
tr.bad td{color:var(--fail)}tr.good td{color:var(--good)}h3{font-size:1rem;margin:22px 0 0}
nav a{display:block;color:inherit;text-decoration:none;padding:6px 0;border-bottom:1px solid var(--edge)}nav a:hover{background:#8881}
.ok{color:var(--good)}.no{color:var(--fail)}
@media(max-width:640px){main{padding:16px 10px 48px}article{padding:14px 12px}
.felt thead{display:none}.felt tr{display:grid;grid-template-columns:1fr 1fr;border-bottom:1px solid var(--edge);padding:8px 0}
.felt td{border:0;padding:2px 4px;text-align:left!important}.felt td:first-child{grid-column:1/-1;font-weight:600}.felt td[data-name]::before{content:attr(data-name) " ";color:var(--soft)}}
)css";

std::string milliseconds_of(double ms) {
  return ms < 10 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} ms", ms);
}

std::string latency(const Latency& of) {
  if (of.count == 0) return "–";
  return fmt::format("{:.1f} / {:.1f} / {:.1f}", of.p50_ms, of.p99_ms, of.p999_ms);
}

std::string list(const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string html = "<ul>";
  for (const std::string& line : lines) html += "<li><code>" + html_escaped(line) + "</code></li>";
  return html + "</ul>";
}

std::string verdict_of(const Report& report) {
  const bool is_clean = report.exit() == Exit::kClean;
  std::string html = fmt::format(R"(<div class="verdict{}"><b>{} {}</b>)", is_clean ? "" : " bad",
                                 is_clean ? "✓" : "✗", html_escaped(spoken(report)));
  const Verdict& verdict = report.verdict;
  if (verdict.operations > 0)
    html += fmt::format(
        "<p class=\"soft\">{} operations on {} keys: {} refused, {} without an answer, kept open "
        "for ever; {} local reads, held to what they promise.</p>",
        with_commas(verdict.operations), with_commas(verdict.keys), with_commas(verdict.refused),
        with_commas(verdict.unknown), with_commas(verdict.local_reads));
  for (const Violation& violation : verdict.violations)
    html += "<p>" + html_escaped(violation.title) + "</p>" + list(violation.lines);
  html += list(verdict.undecided);
  if (!report.lost.empty()) html += "<p>Lost:</p>" + list(report.lost);
  if (report.agreement == Agreement::kDiffer) {
    std::vector<std::string> ends;
    for (const NodeEnd& end : report.ends) ends.push_back(in_words(end));
    html += "<p>The nodes do not hold the same:</p>" + list(ends);
  }
  if (verdict.operations > 0) html += list(blind_spots(report));
  return html + "</div>";
}

std::string felt_of(const Report& report) {
  std::string html =
      R"(<h3>What clients felt</h3><table class="felt"><thead><tr><th>operations</th><th>ok</th><th>refused</th><th>unknown</th><th>longest pause</th><th>before</th><th>during</th><th>after</th></tr></thead><tbody>)";
  for (const Felt& felt : report.timeline.kinds)
    html += fmt::format(
        R"(<tr><td>{}</td><td data-name="ok">{}</td><td data-name="refused">{}</td><td data-name="unknown">{}</td><td data-name="pause" title="from {:.3f} to {:.3f} s">{}</td><td data-name="before">{}</td><td data-name="during">{}</td><td data-name="after">{}</td></tr>)",
        felt.kind, with_commas(felt.ok), with_commas(felt.refused), with_commas(felt.unknown),
        felt.last_ok_s, felt.first_ok_s, milliseconds_of(felt.pause_ms), latency(felt.before),
        latency(felt.during), latency(felt.after));
  return html +
         "</tbody></table><p class=\"soft\">before, during, after: latency of what was answered, "
         "p50 / p99 / p99.9 in ms. The longest pause is the longest time without an answer that "
         "ended after the fault had begun.</p>";
}

std::string events_of(const Report& report) {
  struct Event {
    int64_t at;
    std::string what;
    const char* kind;
  };
  std::vector<Event> events;
  for (const Mark& mark : report.marks)
    events.push_back({mark.at, mark.what, mark.is_fault ? "bad" : ""});
  for (const RoleChange& change : report.roles)
    if (change.role == "leader" && change.at >= report.window.begin)
      events.push_back(
          {change.at, fmt::format("{} is primary in term {}", change.node, change.term), "good"});
  std::ranges::sort(events, {}, [](const Event& event) {
    return std::pair(event.at, std::string_view(event.what));
  });
  std::string html = R"(<h3>What happened</h3><table class="events"><tbody>)";
  for (const Event& event : events)
    html += fmt::format(R"(<tr class="{}"><td>{:.3f} s</td><td>{}</td></tr>)", event.kind,
                        report.seconds(event.at), html_escaped(event.what));
  return html + "</tbody></table>";
}

std::string article_of(const Report& report) {
  std::string html = fmt::format(
      R"(<article id="{0}"><h2>{0}</h2><p>{1}.</p><p class="soft">Made by: {2}.</p>{3})",
      html_escaped(report.drill), html_escaped(report.purpose), html_escaped(report.means),
      verdict_of(report));
  if (!report.timeline.buckets.empty())
    html += throughput_chart(report) + latency_chart(report) + roles_chart(report) +
            events_of(report) + felt_of(report);
  return html + fmt::format("<h3>Again</h3><p><code>{}</code></p></article>",
                            html_escaped(report.command));
}

}  // namespace

std::string page_of(const std::vector<Report>& reports) {
  const auto bad = std::ranges::count_if(
      reports, [](const Report& report) { return report.exit() != Exit::kClean; });
  std::string html = fmt::format(
      R"(<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,"><title>Holdfast drills</title><style>{}</style></head><body><main><h1>Holdfast drills</h1>)",
      kStyle);
  if (!reports.empty()) {
    const Environment& environment = reports.front().environment;
    html += fmt::format(
        "<p class=\"soft\">holdfast {}, {}, {} cores, {}</p><p>{} of {} found nothing wrong.</p>",
        html_escaped(environment.version), html_escaped(environment.system), environment.cores,
        html_escaped(environment.started), reports.size() - static_cast<size_t>(bad),
        reports.size());
  }
  if (reports.size() > 1) {
    html += "<nav>";
    for (const Report& report : reports) {
      const bool is_clean = report.exit() == Exit::kClean;
      html += fmt::format(
          R"(<a href="#{0}"><span class="{1}">{2}</span> <b>{0}</b> <span class="soft">{3}</span></a>)",
          html_escaped(report.drill), is_clean ? "ok" : "no", is_clean ? "✓" : "✗",
          html_escaped(spoken(report)));
    }
    html += "</nav>";
  }
  for (const Report& report : reports) html += article_of(report);
  return html + "</main></body></html>\n";
}

}  // namespace holdfast::drill
