#!/usr/bin/env python3
"""A short drill's JSON against its schema, and its page in a browser: nothing said to the console,
every chart drawn, and at the width of a telephone nothing to scroll to the side. Without Chromium the
page is not looked at, and the test says so and counts as skipped."""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import jsonschema

TOP = pathlib.Path(__file__).resolve().parents[2]
DRILL = os.environ.get("HOLDFAST_DRILL", str(TOP / "build" / "bin" / "holdfast-drill"))
CHROMIUM = shutil.which("chromium")
PHONE = 390
SKIPPED = 77

# What is asked of the page, within a frame as wide as a telephone, and one as wide as a screen.
QUESTIONS = """
<script>
function measure(frame) {
  const page = frame.contentDocument;
  const drawn = e => { const box = e.getBoundingClientRect(); return box.width + box.height > 0; };
  const seen = selector => [...page.querySelectorAll(selector)].filter(drawn).length;
  const wide = [...page.querySelectorAll("body *")].filter(e => !e.closest("svg") &&
    e.getBoundingClientRect().right > frame.clientWidth + 0.5).map(e => e.tagName + "." + e.className);
  return {width: page.documentElement.scrollWidth, frame: frame.clientWidth, wide,
          articles: seen("article"), curves: seen("polyline"), marks: seen("line.mark"),
          elections: seen("line.elected"), primaries: seen("rect.leader"), lanes: seen(".lane svg"),
          verdicts: seen(".verdict"), text: page.body.innerText};
}
addEventListener("load", () => {
  const frames = [...document.querySelectorAll("iframe")];
  document.getElementById("answers").textContent = JSON.stringify(frames.map(measure));
});
</script>"""


def run_drill(folder):
    page, data = folder / "report.html", folder / "report.json"
    done = subprocess.run([DRILL, "run", "kill-primary", "switchover", "--duration", "2s", "--seed", "5",
                           "--report", str(page), "--json", str(data)], cwd=folder, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, f"{done.returncode}:\n{done.stdout}\n{done.stderr}"
    return page.read_text(), json.loads(data.read_text())


def check_json(data):
    schema = json.loads((TOP / "bench" / "drill" / "report.schema.json").read_text())
    jsonschema.validate(data, schema)
    assert [drill["drill"] for drill in data["drills"]] == ["kill-primary", "switchover"]
    for drill in data["drills"]:
        assert drill["data"]["operations"] > 100 and drill["data"]["agreement"] == "equal", drill["data"]
        assert sum(bucket["changes"] for bucket in drill["buckets"]["each"]) > 0
        assert any(role["role"] == "leader" for role in drill["roles"])
    # What is not what the schema says is refused by it.
    data["drills"][0]["exit"] = 3
    try:
        jsonschema.validate(data, schema)
    except jsonschema.ValidationError:
        return
    raise AssertionError("the schema takes an exit code that there is not")


def look(page, folder):
    assert not re.search(r'(src|href)="(?!#|data:)', page), "the page loads something from elsewhere"
    frames = "".join(f'<iframe width="{width}" height="900" style="border:0" srcdoc="{html.escape(page)}"></iframe>'
                     for width in (PHONE, 1100))
    wrapper = folder / "wrapper.html"
    wrapper.write_text(f"<!doctype html><meta charset=utf-8>{QUESTIONS}{frames}<pre id=answers></pre>")
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
                           "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", f"file://{wrapper}"],
                          capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.split("\n") if "CONSOLE" in line]
    assert not said, said
    found = re.search(r'<pre id="answers">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found.group(1), f"the page was not measured: {done.stderr[-2000:]}"
    return json.loads(html.unescape(found.group(1)))


def check_page(answers):
    for answer in answers:
        assert answer["width"] <= answer["frame"], f"wider than its window: {answer['wide'][:5]}"
        # Two drills, each with three curves of what was answered and two of latency.
        assert answer["articles"] == answer["verdicts"] == 2, answer
        assert answer["curves"] == 10, answer["curves"]
        assert answer["marks"] >= 4 and answer["elections"] >= 2, answer
        assert answer["primaries"] >= 4 and answer["lanes"] == 6, answer
        assert "no violation found in" in answer["text"]


def main():
    with tempfile.TemporaryDirectory(prefix="drill-report-") as name:
        folder = pathlib.Path(name)
        page, data = run_drill(folder)
        check_json(data)
        if CHROMIUM is None:
            print("chromium is not there: the page was not looked at")
            return SKIPPED
        check_page(look(page, folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
