"""The commands of docs/api.md work as they are written there."""

import http.client
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests import certificates
from tests.issuers import AUDIENCE, provider

from .test_readme import ROOT, commands

TOKEN = "head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' > token"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def run_beside_a_server(script: str, folder: Path, seconds: float) -> str:
    """What the commands of a page print, of which the first job in the background answers on port 8080."""
    script = script.replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    for name, what in (("career-ledger", '-c "from ledger.entrypoints.cli import main; main()" '), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {what}"$@"\n')
        program.chmod(0o755)
    (folder / "examples").symlink_to(ROOT / "examples")
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(["bash", "-euo", "pipefail", "-c", f"{script}\nkill %1"], cwd=folder, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err
    return out


def test_commands_of_the_page_about_http_work(tmp_path: Path) -> None:
    out = run_beside_a_server(commands("docs/api.md").replace("openssl rand -hex 32 > token", TOKEN), tmp_path, 60)
    for words in ('"ready": true', '"kind": "exam-booking"', "prima rata 2025-26", '"eligible": false', '"id": "BLK-1"',
                  '"reason":"bad-query"', 'etag: "', '"outcome": "accepted", "version"', '"outcome": "duplicate"',
                  '"outcome": "accepted", "position"', '"compared": [', '"next":2}', '"report": "blocked"',
                  '"report": "find"', '"report": "findings"', "id: 171\n",
                  "nothing is recorded of student NOBODY", '"reason":"unauthorised"',
                  "/login?next=%2Fstudents%2FS-DEMO-01"):
        assert words in out, words


def test_command_that_starts_with_an_identity_provider_works(tmp_path: Path) -> None:
    """As it is written, with the provider, names and files of this test in place of the page's."""
    certificates.make(tmp_path, "desk")
    (tmp_path / "secret").write_text("s/cret")
    (tmp_path / "secret").chmod(0o600)
    [written] = re.findall(r"```\n(career-ledger serve [^`]*--issuer[^`]*)```",
                           (ROOT / "docs/api.md").read_text(encoding="utf-8"))
    port = free_port()
    trust = ssl.create_default_context(cafile=str(tmp_path / "desk.crt"))
    with provider() as issuer:
        for name, own in (("0.0.0.0:8443", f"127.0.0.1:{port}"), ("https://idp.example.org", issuer.url),
                          (":8443", f":{port}"), ("desk.example.org", certificates.NAME), ("desk.pem", "desk.crt"),
                          ("\\\n", "")):
            assert name in written, name
            written = written.replace(name, own)
        assert f"--audience {AUDIENCE} " in written
        command = [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()", "--db", "sqlite:///l.db",
                   *shlex.split(written)[1:]]

        def asked(path: str, **headers: str) -> http.client.HTTPResponse:
            link = http.client.HTTPSConnection(certificates.NAME, port, timeout=10, context=trust)
            link.request("GET", path, headers=headers)
            return link.getresponse()

        with subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                _until(lambda: asked("/ready").status == 200, process)
                for audience, status in ((AUDIENCE, 200), ("another", 401)):
                    token = issuer.token(aud=audience, roles=["service"])
                    assert asked("/v1/events", Authorization=f"Bearer {token}").status == status
                begun = asked("/login/start?next=/")
                away = str(begun.headers["Set-Cookie"]).partition(";")[0]
                there = urlsplit(str(begun.headers["Location"]))
                link = http.client.HTTPConnection(there.netloc, timeout=10)
                link.request("GET", f"{there.path}?{there.query}")
                back = urlsplit(str(link.getresponse().headers["Location"]))
                assert (back.hostname, back.port, back.path) == (certificates.NAME, port, "/login/answer")
                signed_in = asked(f"{back.path}?{back.query}", Cookie=away)
                session = next(one.partition(";")[0] for one in signed_in.headers.get_all("Set-Cookie") or ()
                               if "login" not in one.partition("=")[0])
                assert asked("/", Cookie=session).status in (200, 202)  # it may take a second
            finally:
                process.terminate()
                said = process.communicate(timeout=20)[1]
        assert process.returncode == 0, said


def _until(done: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError):
            if done():
                return
        time.sleep(0.1)
    raise AssertionError("it did not start")
