"""Debian's packages, for what needs a program that is not there."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PATIENCE = ["-o", "DPkg::Lock::Timeout=300"]
"""Another program may be installing."""
TURN = "/etc/apt"
"""The folder that whoever installs holds locked."""


def found_or_installed(find: Callable[[], Found | None], *packages: str) -> Found | None:
    """What `find` gives, if need be once these packages are installed, where apt-get may, that is as root. One process
    after the other: apt-get does not bear two at once, and the second has nothing left to do. None: it is not there
    and could not be had; why is on stderr."""
    found = find()
    if found is not None or os.geteuid() != 0 or not shutil.which("apt-get"):
        return found
    turn = os.open(TURN, os.O_RDONLY)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        found = find()
        if found is None:
            _install(packages)
            found = find()
    finally:
        os.close(turn)
    return found


def _install(packages: tuple[str, ...]) -> None:
    print(f"installing Debian's {' and '.join(packages)}", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["install", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
    for arguments in (["update", "-q"], [*install, *packages]):
        if subprocess.run(["apt-get", *PATIENCE, *arguments], env=environment, stdout=sys.stderr,
                          stdin=subprocess.DEVNULL).returncode != 0:
            print(f"apt-get {arguments[0]} failed", file=sys.stderr, flush=True)
