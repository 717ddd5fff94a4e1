#!/usr/bin/env python3
"""Each mistake in tests/planted must fit the code as it is, or it proves nothing any more. Reads only."""

import pathlib
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
    print(f"planted: {len(patches)} mistakes, {len(unfit)} do not fit")
    return 1 if unfit or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
