"""The commands of docs/privacy.md work as they are written there."""

from pathlib import Path

from .test_readme import commands, kept, run_in_a_clone


def test_page_for_the_data_protection_officer_discloses_and_forgets(tmp_path: Path) -> None:
    done = run_in_a_clone(commands("docs/privacy.md"), tmp_path / "clone", "examples")
    assert done.returncode == 0, done.stderr
    for words in ("encryption-not-configured", "disclosure.it.html", "Not forgotten: S-DEMO-07",
                  "Forgotten: S-DEMO-07, recorded at position", "Written to what-stays"):
        assert words in done.stdout, done.stdout
    for words in ("Registered at position", "officer:7", "The key store is in order.", "Complete from"):
        assert words in done.stdout, done.stdout
    clone = tmp_path / "clone"
    assert {"privacy.db", "keys.db", "safe/master.key", "for-her/disclosure.json"} <= kept(clone).keys()
    assert "it was ordered that your data be deleted" not in (clone / "for-her" / "disclosure.en.html").read_text()
    assert "it was ordered that your data be deleted" in (clone / "what-stays" / "disclosure.en.html").read_text()
