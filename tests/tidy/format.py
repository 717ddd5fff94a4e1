#!/usr/bin/env python3
"""clang-format over all sources: `check` reads only, `fix` writes."""

import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cc", "*.h"], cwd=TOP,
                            check=True, capture_output=True, text=True).stdout.split()
    listed = [path for path in listed if (TOP / path).is_file()]
    mode = ["-i"] if sys.argv[1] == "fix" else ["--dry-run", "-Werror"]
    outcome = subprocess.run(["clang-format-19", *mode, *listed], cwd=TOP).returncode
    print(f"format: {len(listed)} files, {'clean' if outcome == 0 else 'problems: run -t fix'}")
    return outcome


if __name__ == "__main__":
    sys.exit(main())
