"""The commands of docs/audit.md work as they are written there, the auditor's in an empty virtual environment."""

from pathlib import Path

from .test_readme import commands, run_in_a_clone


def test_page_for_the_auditor_shows_what_was_known_and_finds_what_was_altered(tmp_path: Path) -> None:
    done = run_in_a_clone(commands("docs/audit.md"), tmp_path / "clone", "examples", "ledger")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("IT HOLDS") == 5
    for words in ("These 8 events are all that the log held", "These 13 events are all that the log held",
                  "The log held nothing of this student then.", "these 13 events are all that the ledger held",
                  "4 checkpoints hold", "NO CHECKPOINT FROM OUTSIDE WAS USED",
                  "The event at position 32 is not the one that was sealed: it was changed. Events changed"):
        assert words in done.stdout, done.stdout
    assert "disagree" in done.stderr
    assert "DOES NOT HOLD: the key that you gave has not signed this; if it was handed over" in done.stderr
    clone = tmp_path / "clone"
    assert not list(clone.glob("altered*"))
    assert "findings:" in (clone / "findings.txt").read_text()
    assert (clone / "audit.pdf").read_bytes().startswith(b"%PDF-")
    assert "<h1>Compliance audit</h1>" in (clone / "audit.html").read_text()
    found, new = ((clone / name).read_text().splitlines() for name in ("findings.csv", "new.csv"))
    assert found[0] == new[0]
    assert 1 < len(new) < len(found)
