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
:root{color-scheme:light dark;--ink:#16202a;--soft:#566573;--paper:#f3f5f8;--card:#fff;--edge:#dde3e9;
--read:#2b6fb3;--change:#c07a12;--fail:#c0293a;--good:#1a7a50;--back:#a9c4dc;--cand:#e2b33c;--gone:#3a4652;--silent:#b9a3c9;--fault:#c0293a1a}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#98a8b8;--paper:#0e141a;--card:#17202a;--edge:#2a3743;
--read:#6cb0f0;--change:#eeb04e;--fail:#ff7a83;--good:#4cc38a;--back:#38536b;--gone:#000;--silent:#77618a;--fault:#ff6b7522}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:32px 16px 64px}h1{font-size:1.8rem;letter-spacing:-.01em;margin:0 0 4px}
h2{font-size:1.35rem;margin:0}h3{font-size:1rem;margin:28px 0 0}p{margin:4px 0}.soft{color:var(--soft)}
code{font:.86em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
article{background:var(--card);border:1px solid var(--edge);border-radius:14px;padding:24px;margin-top:24px;scroll-margin-top:12px}
.verdict{border-left:6px solid var(--good);padding:10px 16px;margin:16px 0;background:color-mix(in srgb,var(--good) 9%,transparent);border-radius:8px}
.verdict.bad{border-color:var(--fail);background:color-mix(in srgb,var(--fail) 9%,transparent)}
.verdict b{display:block;font-size:1.08rem;text-wrap:balance}.verdict ul{margin:4px 0;padding-left:20px;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:16px 0 0}
.tiles div{border:1px solid var(--edge);border-radius:10px;padding:10px 14px}.tiles b{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles span{font-size:.84rem;color:var(--soft)}
figure{margin:26px 0 0}figcaption{font-size:.88rem;color:var(--soft);margin-bottom:8px}figcaption b{color:var(--ink);font-size:1rem;margin-right:12px}
.key{white-space:nowrap;margin-right:10px}.key i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:5px;vertical-align:-1px}
.plot,.axis{position:relative;margin-left:3.6rem}.plot svg{display:block;width:100%;height:180px;border:1px solid var(--edge);border-radius:6px}
.tick{position:absolute;right:100%;margin-right:8px;transform:translateY(-50%);white-space:nowrap}
.tick,.axis{font-size:.78rem;color:var(--soft);font-variant-numeric:tabular-nums}
.axis{height:1.5em;margin-top:3px}.axis span{position:absolute;transform:translateX(-50%);white-space:nowrap}
path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round}line{vector-effect:non-scaling-stroke}
path.reads,path.p50{stroke:var(--read)}path.changes,path.p99{stroke:var(--change)}path.failed{stroke:var(--fail)}
i.reads,i.p50{background:var(--read)}i.changes,i.p99{background:var(--change)}i.failed{background:var(--fail)}i.fault{background:var(--fault);border:1px dashed var(--fail)}
.key i.elected{width:3px;border-radius:0;background:var(--good)}
rect.fault{fill:var(--fault)}line.mark{stroke:var(--fail);stroke-dasharray:4 3}line.over{stroke:var(--soft);stroke-dasharray:2 4}line.elected{stroke:var(--good);stroke-width:2}
line.grid{stroke:var(--edge)}rect.hint{fill:transparent}rect.hint:hover{fill:#8883}
.lane{display:flex;align-items:center;margin:4px 0;font-size:.84rem}.lane span{flex:none;width:3.6rem;padding-right:8px;text-align:right;overflow:hidden;text-overflow:ellipsis}
.lane svg{flex:1;min-width:0;height:20px;border-radius:5px;background:var(--edge)}
rect.leader{fill:var(--good)}rect.follower{fill:var(--back)}rect.candidate{fill:var(--cand)}rect.gone{fill:var(--gone)}rect.silent{fill:var(--silent)}rect.learner{fill:var(--edge)}
i.leader{background:var(--good)}i.follower{background:var(--back)}i.candidate{background:var(--cand)}i.gone{background:var(--gone)}i.silent{background:var(--silent)}
table{border-collapse:collapse;width:100%;font-size:.88rem;margin-top:8px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:6px 8px;border-bottom:1px solid var(--edge)}th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}
tr:last-child td{border-bottom:0}.felt tr:last-child td{font-weight:600}
.events td{text-align:left;vertical-align:top}.events td:first-child{text-align:right;color:var(--soft);white-space:nowrap;width:6em}
tr.bad td{color:var(--fail)}tr.good td{color:var(--good)}
nav{background:var(--card);border:1px solid var(--edge);border-radius:14px;padding:8px 20px;margin-top:20px}
nav a{display:grid;grid-template-columns:1.2em 9.5em 1fr;gap:0 8px;color:inherit;text-decoration:none;padding:7px 0;border-bottom:1px solid var(--edge)}
nav a .soft{font-size:.9rem;line-height:1.66}nav a:last-child{border:0}nav a:hover b{text-decoration:underline}
.ok{color:var(--good)}.no{color:var(--fail)}
@media(max-width:640px){main{padding:20px 10px 48px}article{padding:16px 12px}.tiles{grid-template-columns:1fr 1fr}
nav{padding:4px 12px}nav a{grid-template-columns:1.2em 1fr}nav a span:last-child{grid-column:2}
.felt thead{display:none}.felt tr{display:grid;grid-template-columns:1fr 1fr;border-bottom:1px solid var(--edge);padding:8px 0}.felt tr:last-child{border:0}
.felt td{border:0;padding:2px 4px;text-align:left!important}.felt td:first-child{grid-column:1/-1;font-weight:600}.felt td[data-name]::before{content:attr(data-name) " ";color:var(--soft)}
.felt td[title]~td{grid-column:1/-1}}
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

// What a reader wants first.
std::string tiles_of(const Report& report) {
  if (report.timeline.kinds.empty()) return "";
  const Felt& all = report.timeline.kinds.back();
  const auto tile = [](const std::string& figure, const char* of) {
    return fmt::format("<div><b>{}</b><span>{}</span></div>", figure, of);
  };
  return R"(<div class="tiles">)" +
         tile(milliseconds_of(all.pause_ms), "longest pause of all clients") +
         tile(with_commas(all.refused + all.unknown), "requests that failed") +
         tile(with_commas(all.ok), "requests answered") +
         tile(with_commas(report.acknowledged), "changes acknowledged") + "</div>";
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

std::string happened_in(const Report& report) {
  std::string html = R"(<h3>What happened</h3><table class="events"><tbody>)";
  for (const Event& event : events_of(report)) {
    const char* const kind = event.kind == Event::Kind::kFault     ? "bad"
                             : event.kind == Event::Kind::kElected ? "good"
                                                                   : "";
    html += fmt::format(R"(<tr class="{}"><td>{:.3f} s</td><td>{}</td></tr>)", kind,
                        report.seconds(event.at), html_escaped(event.what));
  }
  return html + "</tbody></table>";
}

std::string article_of(const Report& report) {
  std::string html = fmt::format(
      R"(<article id="{0}"><h2>{0}</h2><p>{1}.</p><p class="soft">Made by: {2}.</p>{3})",
      html_escaped(report.drill), html_escaped(report.purpose), html_escaped(report.means),
      verdict_of(report));
  if (!report.timeline.buckets.empty())
    html += tiles_of(report) + throughput_chart(report) + latency_chart(report) +
            roles_chart(report) + happened_in(report) + felt_of(report);
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
