"""Node.js and packages for it: found, or brought from Debian's packages and from the npm registry.

The packages are what a `package.json` of this repository pins (that of examples/node unless another is named), brought
once by npm into $XDG_CACHE_HOME/career-ledger, or ~/.cache/career-ledger; a folder there is complete or absent. Where
a lock file stands beside it, they are exactly those that it names, by their hashes.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.debian import found_or_installed
from infra.kafka.install import cache

PACKAGE = Path(__file__).resolve().parents[1] / "examples" / "node" / "package.json"


class NoNode(Exception):
    """Node.js or a package could not be had; the text says what would help."""


def program(name: str) -> str:
    """The path of `node` or `npm`."""
    found = found_or_installed(lambda: shutil.which(name), "nodejs", "npm")
    if found is None:
        raise NoNode(f"{name} is needed: install Node.js 18 or newer with npm (Debian: nodejs, npm)")
    return found


def packages(package: Path = PACKAGE) -> Path:
    """The folder `node_modules` with what a `package.json` names; the first call on a machine brings it."""
    lock = package.with_name("package-lock.json")
    held = {one.name: one.read_bytes() for one in (package, lock) if one.exists()}
    folder = cache() / f"node-{hashlib.sha256(b''.join(held.values())).hexdigest()[:8]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "node-lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as new:
                Path(new, "lib").mkdir()
                for name, content in held.items():
                    Path(new, "lib", name).write_bytes(content)
                how = ["ci"] if lock.name in held else ["install", "--no-package-lock"]
                command = [program("npm"), *how, "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
                if subprocess.run(command, cwd=Path(new, "lib"), stdout=sys.stderr,
                                  stdin=subprocess.DEVNULL).returncode != 0:
                    raise NoNode(f"npm could not bring the packages of {package.parent.name}: see above")
                Path(new, "lib").rename(folder)
    return folder / "node_modules"
