"""The Diploma Supplement and the transcript, as HTML and PDF, in both languages."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger.bootstrap import Ledger
from ledger.entrypoints.cli import cli

from .people import REFERENCE, graduated, record, registered
from .test_answers import full

OPTIONS = ("--reference", str(REFERENCE), "--purpose", "test")


def run(url: str, keys: str, *words: str, lang: str = "en") -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["--db", url, "--keys", keys, "--lang", lang, "eservices", "supplement", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(("lang", "title", "mark"), [("en", "Diploma Supplement", "passed"),
                                                     ("it", "Supplemento al diploma", "idoneo")])
def test_supplement_tells_whose_degree_it_is_and_what_was_passed(ledger: Ledger, sqlite_url: str, keys_url: str,
                                                                 tmp_path: Path, lang: str, title: str,
                                                                 mark: str) -> None:
    full(ledger)
    file = tmp_path / "supplement.html"
    assert run(sqlite_url, keys_url, "S", str(file), *OPTIONS, lang=lang)[0] == 0
    page = file.read_text()
    for words in (f'<html lang="{lang}">', f"<h1>{title}</h1>", "Invented", "110L", "66-110", mark, "L-5"):
        assert words in page, words
    assert [one["what"] for one in ledger.accesses("S")] == ["supplement"]


def test_transcript_is_printed_as_pdf(ledger: Ledger, sqlite_url: str, keys_url: str, tmp_path: Path) -> None:
    full(ledger)
    file = tmp_path / "transcript.pdf"
    assert run(sqlite_url, keys_url, "S", str(file), "--transcript", *OPTIONS)[0] == 0
    assert file.read_bytes().startswith(b"%PDF-")


def test_student_without_a_degree_has_none(ledger: Ledger, sqlite_url: str, keys_url: str, tmp_path: Path) -> None:
    record(ledger, [registered("S", 1), *graduated("S", "L-NOWHERE")])
    for student in ("S", "NOBODY"):
        code, said = run(sqlite_url, keys_url, student, str(tmp_path / "x.pdf"), *OPTIONS)
        assert code == 3, said
    assert not (tmp_path / "x.pdf").exists()
