"""Sealed packages and their verification: pure, on files. Every way of tampering is named."""

import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consumers.archive.__main__ import archive
from consumers.archive.package import Damaged, Entry, line, manifest, read_line, seal
from consumers.archive.verify import MOST_WRONG, Verification, sentence, verify

DAYS = [date(2026, 2, 10) + timedelta(days=n) for n in range(3)]


def entry(student: str, version: int, position: int, type: str = "instalment-paid", **changes: Any) -> Entry:
    value = json.dumps({"id": f"{student}-{version}", "type": type, "student": student, "version": version,
                        "position": position,
                        "data": {"amount": f"{position}.00", "university": "Università"}}, ensure_ascii=False).encode()
    found = Entry(position, student, version, type, hashlib.sha256(b"stored" + value).hexdigest(),
                  hashlib.sha256(value).hexdigest(), 0, position - 1, 1_770_000_000_000 + position, value)
    return found._replace(**changes)


def log() -> list[list[Entry]]:
    """Three days; the second has no event. S1 has versions 1 to 4, S2 1 and 2."""
    return [[entry("S1", 1, 1), entry("S2", 1, 2), entry("S1", 2, 3)], [],
            [entry("S1", 3, 4), entry("S2", 2, 5), entry("S1", 4, 6)]]


def make(folder: Path, days: list[list[Entry]], first: int = 0) -> str | None:
    head = None
    for day, entries in list(zip(DAYS, days, strict=False))[first:]:
        head, _ = seal(folder, day, head, entries)
    return head


def digests(days: list[list[Entry]]) -> list[dict[str, Any]]:
    return [{"position": e.position, "student": e.student, "version": e.version, "type": e.type, "digest": e.digest,
             "payload_sha256": e.payload_sha256} for entries in days for e in entries]


def lines(found: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(one).encode() + b"\n" for one in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    made.mkdir()
    make(made, log())
    return made


def kinds(verdict: Verification) -> list[str]:
    return [finding["kind"] for finding in verdict.findings]


# What a package is


def test_untouched_archive_is_clean_and_equals_the_ledger(folder: Path) -> None:
    verdict = verify(folder, ledger=lines(digests(log())))
    assert verdict.findings == []
    assert (verdict.packages, verdict.entries, verdict.first_day, verdict.last_day, verdict.last_position,
            verdict.compared) == (
        3, 6, "2026-02-10", "2026-02-12", 6, 6)


def test_same_entries_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "again"
    other.mkdir()
    make(other, log())
    names = sorted(p.name for p in folder.iterdir())
    assert names == [f"2026-02-{day}{end}" for day in (10, 11, 12) for end in (".jsonl.gz", ".manifest.json")]
    assert {n: (folder / n).read_bytes() for n in names} == {n: (other / n).read_bytes() for n in names}


def test_package_holds_the_bytes_of_the_message_and_both_hashes(folder: Path) -> None:
    first = log()[0][0]
    with gzip.open(folder / "2026-02-10.jsonl.gz") as packed:
        found = json.loads(packed.readline())
    assert found == {"position": 1, "student": "S1", "version": 1, "type": "instalment-paid", "digest": first.digest,
                     "payload_sha256": first.payload_sha256, "partition": 0, "offset": 0, "timestamp": first.timestamp,
                     "value": first.value.decode()}


@pytest.mark.parametrize("value", [b'{"a":1}', b"\xff\xfe\x00", b"", '"\u2028\\u0000 \U0001f393"'.encode(),
                                   b'{ "a" : 1 }\r\n'])
def test_any_bytes_come_back_as_they_were(value: bytes) -> None:
    one = entry("S1", 1, 1, value=value)
    assert line(one).count(b"\n") == 1
    assert read_line(line(one)) == one


def test_manifest_is_chained_to_the_day_before(folder: Path) -> None:
    found = [json.loads((folder / f"{day}.manifest.json").read_bytes()) for day in DAYS]
    assert found[0]["previous"] is None
    for day, after in zip(DAYS, found[1:], strict=False):
        assert after["previous"] == hashlib.sha256((folder / f"{day}.manifest.json").read_bytes()).hexdigest()
    assert found[0]["content"]["types"] == {"instalment-paid": 3}
    assert (found[1]["content"]["entries"], found[1]["content"]["positions"]) == (0, None)


def test_sealing_again_after_a_crash_changes_nothing(folder: Path) -> None:
    """Whatever of a day's two files was there already."""
    last = DAYS[-1]
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    head = json.loads(before[f"{last}.manifest.json"])["previous"]
    for gone in ([], [f"{last}.manifest.json"], [f"{last}.manifest.json", f"{last}.jsonl.gz"]):
        for name in gone:
            (folder / name).unlink()
        (folder / f".{last}.jsonl.gz.part").write_bytes(b"half a pack")
        seal(folder, last, head, log()[-1])
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_sealing_another_content_over_a_sealed_day_is_refused(folder: Path) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(Damaged, match="another package of that day"):
        seal(folder, DAYS[0], None, log()[2])
    with pytest.raises(Damaged, match="another package of that day"):
        seal(folder, DAYS[0], "0" * 64, log()[0])
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


# Tampering with files


def repack(folder: Path, day: date, change: Callable[[list[bytes]], list[bytes]], described: bool) -> None:
    """Changes a package's lines; `described`: the manifest is made to fit, as a forger with access would."""
    path = folder / f"{day}.jsonl.gz"
    text = b"".join(change(gzip.decompress(path.read_bytes()).splitlines(keepends=True)))
    path.write_bytes(gzip.compress(text, mtime=0))
    if described:
        redescribe(folder, day)


def redescribe(folder: Path, day: date) -> None:
    from consumers.archive.package import Tally

    raw = (folder / f"{day}.jsonl.gz").read_bytes()
    tally = Tally()
    for one in gzip.decompress(raw).splitlines(keepends=True):
        tally.raw(one)
        tally.entry(read_line(one))
    old = json.loads((folder / f"{day}.manifest.json").read_bytes())
    (folder / f"{day}.manifest.json").write_bytes(
        manifest(day, old["previous"], hashlib.sha256(raw).hexdigest(), len(raw), tally.content()))


def rechain(folder: Path) -> None:
    """The forger goes on: every later manifest is made to follow."""
    head = None
    for path in sorted(folder.glob("*.manifest.json")):
        found = json.loads(path.read_bytes())
        path.write_bytes(manifest(date.fromisoformat(found["day"]), head, found["package"]["sha256"],
                                  found["package"]["bytes"], found["content"]))
        head = hashlib.sha256(path.read_bytes()).hexdigest()


def edit(raw: bytes, **changes: Any) -> bytes:
    return json.dumps(json.loads(raw) | changes, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


FIRST, SECOND, LAST = (f"{day}" for day in DAYS)


def test_flipped_bit_anywhere_in_a_package(folder: Path) -> None:
    path = folder / f"{FIRST}.jsonl.gz"
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1:])
        found = verify(folder).findings
        assert {"kind": "package", "file": path.name, "fields": ["sha256"]} in found, place


def test_truncated_package(folder: Path) -> None:
    path = folder / f"{FIRST}.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert kinds(verify(folder))[:2] == ["package", "unreadable-package"]


def test_missing_package_and_missing_manifest(folder: Path) -> None:
    (folder / f"{FIRST}.jsonl.gz").unlink()
    (folder / f"{LAST}.manifest.json").unlink()
    assert [(f["kind"], f.get("file")) for f in verify(folder).findings] == [
        ("missing-manifest", f"{LAST}.jsonl.gz"), ("missing-package", f"{FIRST}.jsonl.gz")]


def test_day_taken_out(folder: Path) -> None:
    for end in (".jsonl.gz", ".manifest.json"):
        (folder / f"{SECOND}{end}").unlink()
    found = verify(folder).findings
    assert [f["kind"] for f in found] == ["day-missing", "chain"]
    assert found[0]["days"] == [SECOND, SECOND]


def test_first_day_taken_out(folder: Path) -> None:
    for end in (".jsonl.gz", ".manifest.json"):
        (folder / f"{FIRST}{end}").unlink()
    assert kinds(verify(folder)) == ["chain", "version-missing", "version-missing"]


def test_last_day_taken_out_is_found_by_the_head(folder: Path) -> None:
    head = verify(folder).head
    for end in (".jsonl.gz", ".manifest.json"):
        (folder / f"{LAST}{end}").unlink()
    assert kinds(verify(folder)) == []
    found = verify(folder, head=head).findings
    assert [(f["kind"], f["expected"]) for f in found] == [("head", head)]
    assert verify(folder, ledger=lines(digests(log()))).not_sealed == 3


def test_file_that_does_not_belong_there(folder: Path) -> None:
    names = ["2026-02-30.jsonl.gz", "2026-99-99.manifest.json", "notes.txt"]
    for name in names:
        (folder / name).write_text("x")
    assert [(f["kind"], f["file"]) for f in verify(folder).findings] == [("unexpected-file", name) for name in names]


@pytest.mark.parametrize("change", [
    {"format": "other"}, {"day": "2026-02-11"}, {"previous": "0" * 64}, {"package": None}, {"content": None}])
def test_changed_manifest_breaks_the_chain_behind_it(folder: Path, change: dict[str, Any]) -> None:
    path = folder / f"{FIRST}.manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    found = verify(folder).findings
    assert (found[0]["file"], found[0]["kind"]) == (path.name, {
        "day": "content", "previous": "chain"}.get(next(iter(change)), "unreadable-manifest"))
    assert ("chain", f"{SECOND}.manifest.json") in [(f["kind"], f.get("file")) for f in found]


@pytest.mark.parametrize(("field", "value"), [("entries", 7), ("bytes", 1), ("sha256", "0" * 64),
                                              ("positions", {"first": 1, "last": 9}),
                                              ("types", {"instalment-paid": 2})])
def test_wrong_count_or_hash_in_the_last_manifest(folder: Path, field: str, value: Any) -> None:
    path = folder / f"{LAST}.manifest.json"
    found = json.loads(path.read_bytes())
    found["content"][field] = value
    path.write_text(json.dumps(found))
    assert [(f["kind"], f["fields"]) for f in verify(folder).findings] == [("content", [field])]


@pytest.mark.parametrize("what", ["taken-out", "changed", "added", "twice", "reordered"])
def test_changed_lines_do_not_fit_the_manifest(folder: Path, what: str) -> None:
    repack(folder, DAYS[0], {
        "taken-out": lambda old: old[1:], "changed": lambda old: [edit(old[0], digest="0" * 64), *old[1:]],
        "added": lambda old: [*old, line(entry("S3", 1, 7))], "twice": lambda old: [*old, old[0]],
        "reordered": lambda old: old[::-1]}[what], described=False)
    found = verify(folder).findings
    assert [f["kind"] for f in found][:2] == ["package", "content"]
    assert "sha256" in found[1]["fields"]


# A forger who makes the manifests fit


def forge(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> list[dict[str, Any]]:
    """What verification says without and with the rest of the chain made to fit."""
    repack(folder, DAYS[0], change, described=True)
    assert "chain" in kinds(verify(folder))
    rechain(folder)
    return verify(folder).findings


def test_forged_away_event_leaves_a_hole_in_the_versions(folder: Path) -> None:
    assert forge(folder, lambda old: old[1:]) == [{"kind": "version-missing", "student": "S1", "versions": [1, 1]}]
    found = verify(folder, ledger=lines(digests(log()))).findings
    assert found[1] == {"kind": "not-in-archive", "position": 1, "student": "S1", "version": 1,
                        "type": "instalment-paid"}


def test_forged_value_does_not_fit_its_hash(folder: Path) -> None:
    found = forge(folder, lambda old: [edit(old[0], value=json.loads(old[0])["value"].replace("1.00", "9.00")),
                                       *old[1:]])
    assert [(f["kind"], f["line"], f["problem"]) for f in found] == [("entry", 1,
                                                                      "payload_sha256 is not the hash of the value")]


def test_forged_value_and_hash_differ_from_the_ledger(folder: Path) -> None:
    def change(old: list[bytes]) -> list[bytes]:
        value = json.loads(old[0])["value"].replace("1.00", "9.00")
        return [edit(old[0], value=value, payload_sha256=hashlib.sha256(value.encode()).hexdigest()), *old[1:]]

    assert forge(folder, change) == []
    [found] = verify(folder, ledger=lines(digests(log()))).findings
    assert found == {"kind": "differs", "student": "S1", "version": 1, "place": f"{FIRST}.jsonl.gz:1",
                     "fields": ["payload_sha256"]}


@pytest.mark.parametrize(("field", "value"), [("position", 99), ("student", "S9"), ("version", 9),
                                              ("type", "renounced")])
def test_forged_field_is_another_one_in_the_value(folder: Path, field: str, value: Any) -> None:
    found = forge(folder, lambda old: [edit(old[0], **{field: value}), *old[1:]])
    assert found[0]["problem"] == f"{field} is another one in the value"


def test_forged_event_is_not_in_the_ledger(folder: Path) -> None:
    assert forge(folder, lambda old: [*old, line(entry("S3", 1, 7))]) == []
    [found] = verify(folder, ledger=lines(digests(log()))).findings
    assert (found["kind"], found["student"], found["position"],
            found["place"]) == ("not-in-ledger", "S3", 7, f"{FIRST}.jsonl.gz:4")


def test_second_entry_of_an_event_that_differs(folder: Path) -> None:
    [found] = forge(folder, lambda old: [*old, line(entry("S1", 1, 1, digest="f" * 64))])
    assert (found["kind"], found["student"], found["version"], found["places"]) == (
        "repeated", "S1", 1, f"{FIRST}.jsonl.gz:1, {FIRST}.jsonl.gz:4")


def test_second_entry_of_an_event_alike_is_counted(folder: Path) -> None:
    assert forge(folder, lambda old: [*old, old[0]]) == []
    assert verify(folder).repeated == 1


@pytest.mark.parametrize("bad", [b"{}\n", b"not json\n", b"[]\n", b"[" * 100_000 + b"\n"])
def test_line_that_is_no_entry(folder: Path, bad: bytes) -> None:
    repack(folder, DAYS[0], lambda old: [*old, bad], described=False)
    assert ("entry", 4) in [(f["kind"], f.get("line")) for f in verify(folder).findings]


def test_package_that_expands_without_end_is_not_read_to_it(folder: Path) -> None:
    repack(folder, DAYS[0], lambda old: [*old, *[b"\n"] * (MOST_WRONG * 3)], described=False)
    wrong = [one for one in verify(folder).findings if one["kind"] == "entry"]
    assert len(wrong) == MOST_WRONG + 1
    assert "not read" in wrong[-1]["problem"]


# Against the ledger


@pytest.mark.parametrize("field", ["position", "type", "digest", "payload_sha256"])
def test_every_difference_from_the_ledger_is_named(folder: Path, field: str) -> None:
    found = digests(log())
    found[2][field] = 77 if field == "position" else "x"
    [finding] = verify(folder, ledger=lines(found)).findings
    assert (finding["kind"], finding["student"], finding["version"], finding["fields"]) == ("differs", "S1", 2, [field])
    assert sentence(finding) == f"differs: student S1, version 2, place 2026-02-10.jsonl.gz:3, fields {field}"


def test_entries_with_a_plain_hash_from_before_are_read_without_it_and_compared_by_the_rest(folder: Path) -> None:
    def former(raw: bytes) -> bytes:
        found = json.loads(raw)
        return json.dumps({("sha256" if name == "digest" else name): value
                           for name, value in found.items()}).encode() + b"\n"

    before = forge(folder, lambda old: [former(one) for one in old])
    assert before == []
    assert read_line(former(line(entry("S1", 1, 1)))) == entry("S1", 1, 1, digest="")
    found = digests(log())
    assert verify(folder, ledger=lines(found)).findings == []
    found[2]["type"] = "x"
    assert kinds(verify(folder, ledger=lines(found))) == ["differs"]


def test_folder_without_a_package_is_a_finding(tmp_path: Path) -> None:
    assert kinds(verify(tmp_path)) == ["empty"]
    found = CliRunner().invoke(archive, ["verify", str(tmp_path)])
    assert "COMPARED WITH NOTHING FROM OUTSIDE" in found.output
    assert "FROM OUTSIDE" not in CliRunner().invoke(archive, ["verify", str(tmp_path), "--head", "0" * 64]).output
    assert (found.exit_code, "no package is here" in found.output, "0 packages" in found.output) == (5, True, False)
    assert CliRunner().invoke(archive, ["verify", str(tmp_path / "nowhere")]).exit_code == 2


def test_comparison_with_nothing_is_a_finding(folder: Path) -> None:
    found = CliRunner().invoke(archive, ["verify", str(folder), "--ledger", "-"], input="")
    assert (found.exit_code, "not-compared" in found.output) == (5, True)


def test_ledger_goes_on_above_the_archive(folder: Path) -> None:
    more = digests([*log(), [entry("S1", 5, 7), entry("S9", 1, 8)]])
    verdict = verify(folder, ledger=lines(more))
    assert (verdict.findings, verdict.not_sealed, verdict.compared) == ([], 2, 8)


def test_comparison_above_a_position(folder: Path) -> None:
    some = [one for one in digests(log()) if one["position"] > 4]
    assert kinds(verify(folder, ledger=lines(some))) == ["not-in-ledger"] * 4
    assert kinds(verify(folder, ledger=lines(some), after=4)) == []


def test_line_that_is_no_digest_is_said_with_its_number(folder: Path) -> None:
    with pytest.raises(Damaged, match="line 2"):
        verify(folder, ledger=[lines(digests(log()))[0], b'{"position": 2}\n'])


def test_versions_may_come_late(tmp_path: Path) -> None:
    """An event that was parked is sealed after newer ones."""
    days = [[entry("S1", 1, 1), entry("S1", 3, 3)], [entry("S1", 2, 2)]]
    make(tmp_path, days)
    assert verify(tmp_path).findings == []


def test_more_rows_than_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.archive.verify._ROWS", 1000)
    many = [entry(f"S{n % 70}", n // 70 + 1, n + 1) for n in range(2_500)]
    make(tmp_path, [many])
    verdict = verify(tmp_path, ledger=lines(digests([many])))
    assert (verdict.findings, verdict.entries, verdict.compared) == ([], 2_500, 2_500)
