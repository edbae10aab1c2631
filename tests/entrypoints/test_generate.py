"""`career-ledger generate`."""

import json
from pathlib import Path

from click.testing import CliRunner

from ledger.entrypoints.cli import cli


def test_generate_writes_the_same_file_for_the_same_seed(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.jsonl", "two.jsonl", "other.jsonl")]
    for file, seed in zip(files, ("5", "5", "6"), strict=True):
        done = CliRunner().invoke(cli, ["generate", "--students", "5", "--seed", seed, "--output", str(file)])
        assert done.exit_code == 0, done.output
    one, two, other = (file.read_bytes() for file in files)
    assert one == two != other
    assert len({json.loads(line)["student"] for line in one.splitlines()}) == 5


def test_generate_says_which_share_is_wrong() -> None:
    for share, says in (("nonsense=1", "nonsense"), ("breaches=2", "breaches"), ("breaches", "breaches=0.10"),
                        ("breaches=x", "number")):
        done = CliRunner().invoke(cli, ["generate", "--students", "1", "--seed", "1", "--share", share])
        assert done.exit_code == 2
        assert says in done.output
