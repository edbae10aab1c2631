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


def test_commands_of_the_page_about_http_work(tmp_path: Path) -> None:
    script = commands("docs/api.md").replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}").replace(
        "openssl rand -hex 32 > token", TOKEN)
    program = tmp_path / "career-ledger"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from ledger.entrypoints.cli import main; main()" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(["bash", "-euo", "pipefail", "-c", f"{script}\nkill %1"], cwd=tmp_path, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err
    for words in ('"ready": true', '"kind": "exam-booking"', "prima rata 2025-26", '"eligible": false', '"id": "BLK-1"',
                  '"reason":"bad-query"', 'etag: "', '"outcome": "accepted", "version"', '"outcome": "duplicate"',
                  '"outcome": "accepted", "position"', '"compared": [', '"next":2}', '"report": "blocked"',
                  '"report": "find"', '"report": "findings"', "id: 171\n",
                  "nothing is recorded of student NOBODY", '"reason":"unauthorised"',
                  "/login?next=%2Fstudents%2FS-DEMO-01"):
        assert words in out, words
