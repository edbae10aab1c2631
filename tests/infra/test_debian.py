"""Packages of Debian, for who needs a program that is not there."""

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra import debian


def test_two_who_need_the_same_install_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, calls, at_once = tmp_path / "program", [], threading.Lock()

    def install(packages: tuple[str, ...]) -> None:
        assert at_once.acquire(blocking=False)
        calls.append(packages)
        time.sleep(0.05)
        program.touch()
        at_once.release()

    monkeypatch.setattr(debian, "TURN", str(tmp_path))
    monkeypatch.setattr(debian, "_install", install)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: debian.found_or_installed(lambda: program.exists() or None, "one"), range(4)))
    assert found == [True] * 4
    assert calls == [("one",)]


def test_nothing_is_installed_where_it_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_install", lambda packages: pytest.fail("installed"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert debian.found_or_installed(lambda: None, "one") is None
