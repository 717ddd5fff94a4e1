#!/usr/bin/env python3
"""A short drill's JSON against its schema, and its page in a browser, as wide as a telephone and as a screen, in
light and in dark: nothing said to the console and nothing asked of a network, every chart drawn, nothing to
scroll to the side, and no text that is small or faint. The browser is driven by Playwright, which comes from
npm into the folder that NODE_MODULES names. Without npm or Chromium the page is not looked at, and the test
says so and counts as skipped. `report_test.py PAGE FOLDER` looks at a page and leaves pictures in the folder."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import jsonschema

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "npm"))
import packages  # noqa: E402

DRILL = os.environ.get("HOLDFAST_DRILL", str(TOP / "build" / "bin" / "holdfast-drill"))
SKIPPED = 77


def run_drill(folder):
    page, data = folder / "report.html", folder / "report.json"
    done = subprocess.run([DRILL, "run", "kill-primary", "switchover", "--duration", "2s", "--seed", "5",
                           "--report", str(page), "--json", str(data)], cwd=folder, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, f"{done.returncode}:\n{done.stdout}\n{done.stderr}"
    return page, json.loads(data.read_text())


def check_json(data):
    schema = json.loads((TOP / "bench" / "drill" / "report.schema.json").read_text())
    jsonschema.validate(data, schema)
    assert [drill["drill"] for drill in data["drills"]] == ["kill-primary", "switchover"]
    for drill in data["drills"]:
        assert drill["data"]["operations"] > 100 and not drill["data"]["unread"]
        assert drill["data"]["agreement"] == "equal", drill["data"]
        assert sum(bucket["changes"] for bucket in drill["buckets"]["each"]) > 0
        assert any(role["role"] == "leader" for role in drill["roles"])
    # What is not what the schema says is refused by it.
    data["drills"][0]["exit"] = 3
    try:
        jsonschema.validate(data, schema)
    except jsonschema.ValidationError:
        return
    raise AssertionError("the schema takes an exit code that there is not")


def look(page, *pictures):
    """None: there is nothing to look with."""
    chromium = shutil.which("chromium")
    if not chromium:
        print("chromium is not there")
        return None
    folder = pathlib.Path(os.environ.get("NODE_MODULES", TOP / "build" / "drill-browser"))
    if not packages.install(HERE, folder):
        return None
    shutil.copy(HERE / "look.mjs", folder)
    done = subprocess.run(["node", folder / "look.mjs", chromium, page, *pictures], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_page(looks):
    for seen in looks:
        where = f"{seen['width']} wide, {seen['colorScheme']}"
        assert not seen["complaints"], f"{where}: {seen['complaints']}"
        assert seen["scrolled"] <= seen["width"] and not seen["wide"], f"{where}: too wide: {seen['wide'][:5]}"
        assert not seen["small"], f"{where}: small: {seen['small'][:5]}"
        assert not seen["faint"], f"{where}: faint: {seen['faint'][:5]}"
        for curve in seen["curves"]:
            assert curve["points"] > 10 and curve["length"] > 100, f"{where}: not drawn: {curve}"
            assert curve["width"] > 0.8 * curve["plot"] > 200 and curve["height"] > 100, f"{where}: too small: {curve}"
    grounds = {seen["colorScheme"]: sum(seen["ground"]) for seen in looks}
    assert grounds["dark"] < 150 < 600 < grounds["light"], grounds


def check_what_is_shown(looks):
    for seen in looks:
        # Two drills, each with three curves of what was answered and two of latency.
        assert seen["articles"] == seen["verdicts"] == 2 and len(seen["curves"]) == 10, seen
        assert seen["marks"] >= 4 and seen["elections"] >= 2, seen
        assert seen["primaries"] >= 4 and seen["lanes"] == 6, seen
        assert "no violation found in" in seen["text"]


def main():
    if len(sys.argv) > 1:
        check_page(look(*sys.argv[1:]))
        return 0
    with tempfile.TemporaryDirectory(prefix="drill-report-") as name:
        page, data = run_drill(pathlib.Path(name))
        check_json(data)
        looks = look(page)
        if looks is None:
            print("the page was not looked at")
            return SKIPPED
        check_page(looks)
        check_what_is_shown(looks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
