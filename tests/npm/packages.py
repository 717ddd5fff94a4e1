"""Packages from npm, for tests: those that a folder's package-lock.json names, into the build folder."""

import shutil
import subprocess


def install(source, folder):
    """True: `folder` holds them. Else they cannot be had here, and it is said why."""
    for program in ("npm", "node"):
        if not shutil.which(program):
            print(f"{program} is not there")
            return False
    installed = folder / "installed-lock.json"
    if installed.exists() and installed.read_bytes() == (source / "package-lock.json").read_bytes():
        return True
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    run = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, timeout=240,
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(f"npm cannot fetch what {source / 'package-lock.json'} names:\n{run.stderr[-2000:]}")
        return False
    shutil.copy(source / "package-lock.json", installed)
    return True
