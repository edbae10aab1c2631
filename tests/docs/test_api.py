"""The commands of docs/api.md work as they are written there."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

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
