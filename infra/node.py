"""Node.js and the packages of examples/node: found, or brought from Debian's packages and from the npm registry.

The packages are what `examples/node/package.json` pins, brought once by npm into $XDG_CACHE_HOME/career-ledger, or
~/.cache/career-ledger; a folder there is complete or absent.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.kafka.install import cache, from_debian

PACKAGE = Path(__file__).resolve().parents[1] / "examples" / "node" / "package.json"


class NoNode(Exception):
    """Node.js or a package could not be had; the text says what would help."""


def program(name: str) -> str:
    """The path of `node` or `npm`."""
    if shutil.which(name) is None:
        from_debian("nodejs", "npm")
    found = shutil.which(name)
    if found is None:
        raise NoNode(f"{name} is needed: install Node.js 18 or newer with npm (Debian: nodejs, npm)")
    return found


def packages() -> Path:
    """The folder `node_modules` with what the examples import; the first call on a machine brings it."""
    held = PACKAGE.read_bytes()
    folder = cache() / f"node-{hashlib.sha256(held).hexdigest()[:8]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "node-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as new:
                Path(new, "lib").mkdir()
                Path(new, "lib", "package.json").write_bytes(held)
                command = [program("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock",
                           "--ignore-scripts", "--silent"]
                if subprocess.run(command, cwd=Path(new, "lib"), stdout=sys.stderr,
                                  stdin=subprocess.DEVNULL).returncode != 0:
                    raise NoNode("npm could not bring the packages of examples/node: see above")
                Path(new, "lib").rename(folder)
    return folder / "node_modules"
