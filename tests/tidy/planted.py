#!/usr/bin/env python3
"""Each mistake in tests/planted must fit the code as it is, or it proves nothing any more; and it must
have been planted once and been caught, as the table says. Reads only."""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]


def main():
    patches = sorted((TOP / "tests/planted").glob("*.patch"))
    unfit = [path for path in patches
             if subprocess.run(["patch", "-p1", "--dry-run", "--force", "--fuzz=0", "-i", path], cwd=TOP,
                               stdout=subprocess.DEVNULL, check=False).returncode]
    for path in unfit:
        print(f"{path.relative_to(TOP)}:1: fits the code no more: write it anew")
    table = (TOP / "tests/planted/README.md").read_text()
    caught = {number for number, row in re.findall(r"^\| (\d+)\.(.*)$", table, re.MULTILINE) if "not caught" not in row}
    unproven = [path for path in patches if path.name.split("-", 1)[0] not in caught]
    for path in unproven:
        print(f"{path.relative_to(TOP)}:1: not known to be caught: tests/planted/run --write {path.stem}")
    print(f"planted: {len(patches)} mistakes, {len(unfit)} do not fit, {len(unproven)} not known to be caught")
    return 1 if unfit or unproven or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
