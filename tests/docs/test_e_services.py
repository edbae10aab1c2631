"""The commands of docs/e-services.md work as they are written there."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from .test_api import free_port
from .test_readme import ROOT, commands


def test_commands_of_the_page_about_e_services_work(tmp_path: Path) -> None:
    script = commands("docs/e-services.md").replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    for name, what in (("career-ledger", '-c "from ledger.entrypoints.cli import main; main()" '), ("python", "")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {what}"$@"\n')
        program.chmod(0o755)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(["bash", "-euo", "pipefail", "-c", f"{script}\nkill %1"], cwd=tmp_path, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=120)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err
    for words in ('"check": "eservices"', '"personal_data":', '"reason":"bad-request"',
                  '"reason":"no-voucher"', "ifs02/academic-enrollments", '"enrollments_hash":[{"key":"',
                  '"meta":{"cursor":null}'):
        assert words in out, words
