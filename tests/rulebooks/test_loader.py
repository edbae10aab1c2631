"""A wrong rule book is refused with the file, the line to mend, the field and the fix."""

import hashlib
import re
from copy import deepcopy
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.domain.rulebook import UnknownValue
from ledger.rulebooks import loader
from ledger.rulebooks.loader import LISTED, RuleBookError, load_books, read_book

PACKAGED = Path(loader.__file__).parent
BOOK = (PACKAGED / "2025-26.yaml").read_text(encoding="utf-8")
REGISTER = (PACKAGED / "readings.yaml").read_text(encoding="utf-8")


def line_of(text: str, fragment: str, nth: int = 1) -> int:
    """The number of the n-th line that contains a fragment."""
    return [i for i, line in enumerate(text.splitlines(), 1) if fragment in line][nth - 1]


def changed(old: str, new: str, after: str = "") -> str:
    """The book of 2025-26 with the first `old` behind `after` replaced."""
    start = BOOK.index(after)
    assert old in BOOK[start:]
    return BOOK[:start] + BOOK[start:].replace(old, new, 1)


def deciding(entries: str) -> str:
    """The book of 2025-26 with readings of its own."""
    return f"{BOOK}\ninterpretations:\n{entries}"


def marked(rule: str, mark: str) -> str:
    """The book of 2025-26 with a rule marked in one line."""
    return re.sub(rf"  {rule}:\n(    .*\n)+", f"  {rule}: {{{mark}}}\n", BOOK)


def refusal(folder: Path, text: str | bytes) -> str:
    (folder / "book.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RuleBookError) as caught:
        load_books(folder)
    assert not {*caught.value.told()} & {*caught.value.told("it")}, "each problem is told in Italian too"
    assert "verbatim" not in {one.message.id for one in caught.value.problems}
    return str(caught.value)


WRONG = {  # what is wrong: (text, fragment of the line to mend, what the message must say)
    "unknown field": (changed("    days: 30\n", "    days: 30\n    dayz: 31\n", "  BLK-1:"), "dayz: 31",
                      ["rules.BLK-1.dayz", "unknown field"]),
    "missing field": (changed("    days: 30\n", "", "  BLK-1:"), "  BLK-1:", ["rules.BLK-1.days", "add days"]),
    "unknown rule": (changed("  PRN-1:", "  PNR-1:"), "  PNR-1:", ["rules.PNR-1", "did you mean PRN-1?"]),
    "rule id with underscore": (changed("  PRN-1:", "  PRN_1:"), "  PRN_1:", ["rules.PRN_1", "write PRN-1"]),
    "rule of the ledger's own": (changed("  PRN-1:", "  SEQ:"), "  SEQ:",
                                  ["rules.SEQ", "one of the ledger's own rules", "remove the entry"]),
    "unknown interpretation": (changed("interpretation: AMB-1\n", "interpretation: AMB-99\n"), "AMB-99",
                               ["rules.BLK-1.interpretation", "AMB-99 is not in the register"]),
    "unknown reading": (deciding("  AMB-101:\n    decided: Yes, always.\n"), "  AMB-101:",
                        ["interpretations.AMB-101", "unknown id"]),
    "reading with underscore": (deciding("  AMB_1:\n    decision: section-10\n"), "  AMB_1:", ["AMB_1", "AMB-1"]),
    "unknown decision": (deciding("  AMB-2:\n    decided: So.\n  AMB-1:\n    decision: section-9\n"),
                         "decision: section-9", ["AMB-1.decision", "'section-8'"]),
    "unquoted no": (deciding("  AMB-4:\n    decision: no\n"), "decision: no", ["AMB-4.decision", "quotes"]),
    "reading without fields": (deciding("  AMB-4: so\n"), "  AMB-4: so", ["interpretations.AMB-4", "write an entry"]),
    "readings that are none": (deciding("  - AMB-4\n"), "interpretations:", ["interpretations", "write an entry"]),
    "day that does not exist": (changed("2026-02-17", "2026-02-30", "  RAT-3:"), "due_on: 2026-02-30",
                                ["rules.RAT-3.due_on", "no such day in the calendar"]),
    "day in another form": (changed("2026-02-17", "17/02/2026", "  RAT-3:"), "due_on: 17/02/2026",
                            ["rules.RAT-3.due_on", "YYYY-MM-DD"]),
    "amount as a number": (changed('"400.00"', "400.00", "  RAT-3:"), "at_most: 400.00",
                           ["rules.RAT-3.at_most", "two decimals"]),
    "amount with three decimals": (changed('"400.00"', '"400.005"', "  RAT-3:"), 'at_most: "400.005"',
                                   ["rules.RAT-3.at_most", "two decimals"]),
    "value inside a list": (changed("enrol_until: 2025-10-15", "enrol_until: soon"), "enrol_until: soon",
                            ["rules.PRE-2.windows.1.enrol_until"]),
    "period that ends before it begins": (changed("last: 2025-08-29", "last: 2025-05-29", "  PRE-2:"),
                                          "last: 2025-05-29",
                                          ["rules.PRE-2.windows.1.last", "lies before"]),
    "tiers out of order": (changed("through: 60", "through: 20"), "    tiers:", ["rules.MOR-1.tiers", "grow"]),
    "both deadline and days": (changed("    deadline: 2026-09-30\n", "    deadline: 2026-09-30\n    days: 30\n"),
                               "  BLK-3:",
                               ["rules.BLK-3", "either deadline or days"]),
    "empty entry": (changed("  PRN-3:\n", "  PRN-3: 7\n  PRN-9:\n"), "  PRN-3: 7", ["rules.PRN-3", "write an entry"]),
    "no heading": (changed('    heading: "12. DIPLOMA SUPPLEMENT"\n', "", "  DS-1:"), "  DS-1:",
                   ["rules.DS-1.heading", "add heading"]),
    "document that is not listed": (changed("    document: guide-2025-26\n", "    document: guide-2025-62\n",
                                            "  BLK-1:"),
                                    "document: guide-2025-62",
                                    ["rules.BLK-1.document", "did you mean guide-2025-26", "add it"]),
    "duplicate key": (changed("    days: 30\n", "    days: 30\n    days: 31\n", "  BLK-1:"),
                      "days: 31", ["days", "second time"]),
    "duplicate rule": (changed("  BLK-2:\n", "  BLK-1:\n"), "", ["BLK-1", "second time"]),
    "not YAML": (changed("    days: 30\n", "    days: [30\n", "  BLK-1:"), "", []),
    "acts end before they begin": (changed("acts_from: 2025-10-01\n",
                                           "acts_from: 2025-10-01\nacts_until: 2025-09-30\n"), "acts_until",
                                   ["acts_until", "acts_from"]),
    "year": (changed('academic_year: "2025-26"', 'academic_year: "2025-27"'), "academic_year",
             ["academic_year", "two consecutive years"]),
    "rule of the smallest set left out": (re.sub(r"  RAT-5:\n(    .*\n)+", "", BOOK), "rules:",
                                          ["rules", "RAT-5 is missing", "{unknown: what was looked for}"]),
    "any rule left out of a partial book": (changed("covers: everything", "covers: part"), "rules:",
                                            ["RIC-8 is missing"]),
    "unknown without what was looked for": (marked("RAT-5", 'unknown: ""'), "  RAT-5:", ["rules.RAT-5.unknown"]),
    "unknown rule of no law": (BOOK.replace("  RAT-5:", '  RAT-55: {unknown: "cut off"}\n  RAT-5:'), "  RAT-55:",
                               ["rules.RAT-55", "did you mean RAT-5?"]),
    "unknown rule whose id is no id": (BOOK.replace("  RAT-5:", '  "RAT 5": {unknown: "cut off"}\n  RAT-5:'),
                                       '  "RAT 5":', ["rules.RAT 5", "unknown id"]),
    "denied without a source": (marked("RAT-5", 'denied: "nothing is merged"'), "  RAT-5:",
                                ["rules.RAT-5.document", "add document"]),
    "denied by a document that is not listed": (marked("RAT-5", "denied: x, document: y, heading: z"), "  RAT-5:",
                                                ["rules.RAT-5.document", "add it"]),
    "unknown value that the rule does not have": (changed('    up_to: "430.00"\n', "    unknown: {upto: cut off}\n"),
                                                  "  RAT-5:", ["unknown.upto is no value of this rule (up_to)"]),
    "value both stated and unknown": (changed('    up_to: "430.00"\n',
                                              '    up_to: "430.00"\n    unknown: {up_to: cut off}\n'),
                                      "  RAT-5:", ["stated and marked unknown"]),
    "covers": (changed("covers: everything", "covers: all"), "covers: all", ["covers", "everything"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_file_is_refused_with_its_line(tmp_path: Path, what: str) -> None:
    text, fragment, words = WRONG[what]
    message = refusal(tmp_path, text)
    assert "book.yaml, line " in message
    if fragment:
        assert f"book.yaml, line {line_of(text, fragment)}: " in message
    for word in words:
        assert word in message


def test_unknown_rule_and_value_raise_what_was_looked_for_and_survive_a_process() -> None:
    fine = changed('    amount: "150.00"\n', "    unknown: {amount: the fine is cut off}\n", "  ISE-2:")
    text = re.sub(r"  RAT-5:\n(    .*\n)+", '  RAT-5: {unknown: "cut off"}\n', fine)
    book = read_book("book.yaml", text.encode())
    for same in (book, deepcopy(book)):
        assert same.rules.ISE_2.until == date(2026, 9, 30)
        for read in (lambda b: b.rules.ISE_2.amount, lambda b: b.rules.RAT_5, lambda b: b.has("RAT-5"),
                     lambda b: b.entry("RAT-5")):
            with pytest.raises(UnknownValue) as caught:
                read(same)
            assert (caught.value.rule, caught.value.year) in {("ISE-2", "2025-26"), ("RAT-5", "2025-26")}
            assert "cut off" in caught.value.missing
        assert "RAT-5" in same.asked
        assert "RAT-5" not in same.ids


def test_denied_rule_is_one_that_the_year_does_not_have() -> None:
    book = read_book("book.yaml", marked("RAT-5", "denied: x, document: guide-2025-26, heading: z").encode())
    assert book.rules.RAT_5 is None
    assert not book.has("RAT-5")


def test_second_of_two_equal_rules_is_named(tmp_path: Path) -> None:
    text = WRONG["duplicate rule"][0]
    assert f"line {line_of(text, '  BLK-1:', 2)}: BLK-1 stands here a second time" in refusal(tmp_path, text)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = changed('"400.00"', "400", "  RAT-3:").replace("    days: 5\n", "", 1)
    assert len(refusal(tmp_path, text).splitlines()) == 2


@pytest.mark.parametrize(("content", "line"), [(b"", 1), (b"just words", 1), (b"- a\n- b\n", 1),
                                               (b"id: x\ntext: \xff\n", 2)])
def test_file_that_is_no_rule_book_is_refused(tmp_path: Path, content: bytes, line: int) -> None:
    assert f"book.yaml, line {line}: " in refusal(tmp_path, content)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    text = BOOK.replace("id: unibg-laureati-2025-26", "id: !!python/object/apply:os.getcwd []")
    assert f"line {line_of(BOOK, 'id: unibg')}" in refusal(tmp_path, text)


def test_two_files_of_one_year_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BOOK, encoding="utf-8")
    assert "2025-26 is the year of" in refusal(tmp_path, BOOK)


def test_folder_without_a_rule_book_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RuleBookError, match="no rule book here"):
            load_books(folder)


def test_own_folder_replaces_the_packaged_books(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(deciding("  AMB-32:\n    decision: by-an-act\n"), encoding="utf-8")
    books = load_books(tmp_path)
    assert books.years == ["2025-26"]
    ours = books.of("2025-26")
    assert ours is not None
    theirs = load_books().of("2025-26")
    assert theirs is not None
    assert replace(theirs.interpretations.AMB_32, decision="by-an-act") == ours.interpretations.AMB_32
    assert ours.interpretations.AMB_33 == theirs.interpretations.AMB_33


def test_register_of_a_folder_holds_for_its_years_when_they_do_not_decide_otherwise(tmp_path: Path) -> None:
    (tmp_path / "readings.yaml").write_text(REGISTER.replace("decision: without-an-act", "decision: by-an-act"),
                                            encoding="utf-8")
    for year, text in (("2025-26", BOOK), ("2019-20", (PACKAGED / "2019-20.yaml").read_text(encoding="utf-8")
                                           .partition("amendments:")[0] + "  AMB-32:\n    decision: without-an-act\n")):
        (tmp_path / f"{year}.yaml").write_text(text, encoding="utf-8")
    books = load_books(tmp_path)
    decided = {year: book.interpretations.AMB_32.decision for year in books.years if (book := books.of(year))}
    assert decided == {"2019-20": "without-an-act", "2025-26": "by-an-act"}


@pytest.mark.parametrize(("old", "new", "fragment", "said"), [
    ("decision: section-8", "decision: section-9", "decision: section-9", "interpretations.AMB-1.decision"),
    ("  AMB-51:", "  AMB-511:", "  AMB-511:", "interpretations.AMB-511: unknown id"),
    ("  AMB-51:", "  AMB-511:", "interpretations:", "interpretations.AMB-51: missing; add AMB-51"),
    ("    decided: No surcharge.\n", "", "  AMB-20:", "interpretations.AMB-20.decided: missing; add decided"),
    ("interpretations:", "readings:", "readings:", "readings: unknown field"),
    (REGISTER, "just words", "just words", "write the register"),
])
def test_wrong_register_is_refused_with_its_line(tmp_path: Path, old: str, new: str, fragment: str, said: str) -> None:
    assert old in REGISTER
    wrong = REGISTER.replace(old, new, 1)
    (tmp_path / "readings.yaml").write_text(wrong, encoding="utf-8")
    assert f"readings.yaml, line {line_of(wrong, fragment)}: {said}" in refusal(tmp_path, BOOK)


def test_identity_is_the_sha256_of_the_bytes() -> None:
    books = load_books()
    for year in books.years:
        content = (PACKAGED / f"{year}.yaml").read_bytes() + REGISTER.encode()
        assert books.identities[year] == (books.book_of(year).id, hashlib.sha256(content).hexdigest())


def test_identity_of_every_year_changes_with_one_byte_of_the_register(tmp_path: Path) -> None:
    (tmp_path / "2025-26.yaml").write_text(BOOK, encoding="utf-8")
    before = load_books(tmp_path).identities
    assert before == {"2025-26": load_books().identities["2025-26"]}, "the packaged register holds where none is given"
    (tmp_path / "readings.yaml").write_bytes(REGISTER.encode() + b"\n")
    assert load_books(tmp_path).identities["2025-26"][1] != before["2025-26"][1]


def test_identity_changes_with_one_byte(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_bytes(BOOK.encode() + b"\n")
    assert load_books(tmp_path).identities["2025-26"][1] != load_books().identities["2025-26"][1]


NO_DATA = {
    "word as number": ('x: !!int "q"', "q is no int"), "digits": (f"x: {'9' * 10_000}", "is no int"),
    "large": (f"x: {'9' * 4_000}", "too large"),
    "word as float": ("x: !!float q", "q is no float"), "word as day": ("x: !!timestamp q", "q is no timestamp"),
    "word as yes": ("x: !!bool q", "q is no bool"),
    "python": ("x: !!python/object/apply:os.system [ls]", "could not determine"),
    "own tag": ("x: !q q", "could not determine"), "word as entry": ("x: !!map q", "write fields here"),
    "bytes": ('x: !!binary "é"', "base64"),
    "alias": ("x: &a [1]\ny: *a", "aliases (*name)"), "itself": ("x: &a [*a]", "aliases (*name)"),
    "merge": ("x: {<<: {a: 1}}", "`<<`"),
    "bomb": ("a: &a [q]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]" for a, b in pairwise("abcdefghijklmnop")),
             "aliases"),
    "merge bomb": ("x: {<<: [&a {<<: [&b {q: q}, *b, *b, *b]}, *a, *a, *a]}", "`<<`"),
    "deep": (f"x: {'[' * 9_000}", "maximum nesting depth"),
    "list as name": ("? [a]\n: 1", "the name of a field is a word"),
    "number as name": ("1: a\n01: b", "the name of a field is a word"),
}


@pytest.mark.parametrize("content", NO_DATA, ids=str)
def test_book_is_refused_with_its_line_when_its_yaml_is_no_plain_data(content: str) -> None:
    text, said = NO_DATA[content]
    with pytest.raises(RuleBookError) as error:
        read_book("f.yaml", f"# a comment\nid: q\n{text}\n".encode())
    assert re.match(r"f\.yaml, line [3-9]+: ", str(error.value))
    assert said in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31", "2026-02-30", "0001-01-01T00:00:00+23:59",
                                   "!!set {a, b}", ".nan", '"\\e[8m\\n"', "!!binary aGVsbG8=", f"'{'q' * 5_000}'",
                                   "[[[[1]]]]"])
def test_book_is_refused_at_the_field_when_a_value_is_impossible(value: str) -> None:
    wrong = re.sub(r"(due_on|until): 20\S+", lambda found: f"{found[1]}: {value}", BOOK, count=1)
    assert wrong != BOOK
    with pytest.raises(RuleBookError) as error:
        read_book("f.yaml", wrong.encode())
    assert re.match(r"f\.yaml, line [0-9]+: rules\.[A-Z]", str(error.value))
    assert all(line.isprintable() and len(line) < 300 for line in error.value.told())


@pytest.mark.parametrize("number", [200_000, 20_000])
def test_book_is_refused_at_once_when_it_has_unknown_fields_without_end(number: int) -> None:
    content = "".join(f"k{n}: 1\n" for n in range(number)).encode()
    with pytest.raises(RuleBookError) as error:
        read_book("f.yaml", content)
    assert len(error.value.told()) <= LISTED + 1
    assert error.value.told()[0].startswith("f.yaml, line 1: ")
    assert "longer than" in error.value.told()[0] or re.fullmatch(r"f\.yaml: and 199[0-9]{2} problems more",
                                                                 error.value.told()[-1])
