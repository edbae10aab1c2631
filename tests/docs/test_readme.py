"""The commands of the README and of the page about a new year work as they are written there."""

import os
import re
import stat
import subprocess
from pathlib import Path

from tests.processes import command

ROOT = Path(__file__).parents[2]


def run_in_a_clone(script: str, folder: Path, *parts: str) -> "subprocess.CompletedProcess[str]":
    """Runs a page's commands in a folder that has the command and these parts of the program's own, with a umask that
    allows everything: what it leaves is walked through."""
    program = folder / ".venv" / "bin" / "career-ledger"
    program.parent.mkdir(parents=True)
    for part in parts:
        (folder / part).symlink_to(ROOT / part)
    with command(program):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", f"umask 000\n{script}"], cwd=folder,
                              env=os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"},
                              capture_output=True, text=True, timeout=300, check=False)
    assert {path: mode for path, mode in kept(folder).items() if mode != 0o600} == {}
    return done


def kept(folder: Path) -> dict[str, int]:
    """The mode of each database and key that was left, and of what was disclosed."""
    found = {}
    for path in (one for one in sorted(folder.iterdir()) if not one.is_symlink()):
        for one in path.rglob("*") if path.is_dir() else [path]:
            if one.is_file() and ".venv" not in one.parts and _is_secret(one):
                found[one.relative_to(folder).as_posix()] = stat.S_IMODE(one.stat().st_mode)
    return found


def _is_secret(path: Path) -> bool:
    """By what it holds, and the names of what stands beside a database."""
    content = path.read_bytes()
    return (content.startswith((b"SQLite format 3", b"career-ledger-master")) or path.name.startswith("disclosure.")
            or re.search(r"-wal$|-shm$|-journal$|key", path.name) is not None
            or re.fullmatch(rb"[0-9a-f]{64}\n?", content) is not None)


def commands(page: str) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL))


def test_page_about_a_new_year_makes_one_with_data_alone(tmp_path: Path) -> None:
    script = commands("docs/new-year.md")
    assert ".py" not in script
    done = run_in_a_clone(script, tmp_path / "clone", "ledger")
    assert done.returncode == 0, done.stderr
    for words in ("there is something left to confirm", "0 to mend", "ANNA/B: charges",
                  "first instalment 2026-27: €0.00 before, €450.00 after; charges 1",
                  "regional tax and stamp duty 2026-27: €0.00 before, €160.00 after; charges 1",
                  "students 1, careers 1", "second instalment 2026-27"):
        assert words in done.stdout, done.stdout


def test_readme_commands_work(tmp_path: Path, postgres_url: str) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    script = "\n".join(blocks)
    assert "make demo\nmake test\n" in script  # .ci/run runs these two
    script = script.replace("make demo\nmake test\n", "").replace("postgresql://registrar@localhost/careers",
                                                                  postgres_url)
    script = script.replace("generate --students 200 ", "generate --students 20 ")
    done = run_in_a_clone(script, tmp_path / "clone", "examples")
    assert done.returncode == 0, done.stderr
    for words in ("3 lines: 3 accepted", "exam-booking block from 20 March 2026",
                  "Supposed only: nothing is recorded.", "the exam-booking block ends",
                  "No: S01/B may not book FIL-101",
                  "BLK-1 in 2025-26", "S-DEMO-01 on 20 March 2026"):
        assert words in done.stdout


def test_documents_link_to_what_exists() -> None:
    for document in (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md",
                     *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_environment_variable_is_listed_and_no_other() -> None:
    files = [f for folder in ("ledger", "consumers", "infra", "examples")
             for f in (ROOT / folder).rglob("*") if f.suffix in (
        ".py", ".yaml", ".sh", ".js", ".java") and "node_modules" not in f.parts]
    read = {name for f in files for name in re.findall(r"(?<![A-Z_])CAREER_LEDGER_[A-Z_]*[A-Z]", f.read_text())}
    listed = set(re.findall(r"CAREER_LEDGER_[A-Z_]*[A-Z]", (ROOT / "docs" / "settings.md").read_text()))
    assert read - {"CAREER_LEDGER_COMPLETE"} == listed - {"CAREER_LEDGER_TEST_SIZE"}
