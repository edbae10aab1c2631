"""The commands of docs/export.md work as they are written there."""

from pathlib import Path

from .test_readme import commands, run_in_a_clone


def test_page_about_export_moves_a_ledger(tmp_path: Path) -> None:
    done = run_in_a_clone(commands("docs/export.md"), tmp_path / "clone", "examples")
    assert done.returncode == 0, done.stderr
    assert "All of it was made again, and is what was signed." in done.stdout
    assert "LEFT OUT" not in done.stderr
    assert (tmp_path / "clone" / "again" / "data" / "manifest.json").exists()
