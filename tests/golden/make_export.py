"""Makes a golden export: a folder as this version of the program writes it, and what the ledger answered.

    python tests/golden/make_export.py NAME

It writes into tests/golden/exports/NAME: `exported`, the folder; `careers.vkey`, the key that checks it;
`answers.json`. The histories are the invented ones of examples/. A folder that is there is never made again; whoever
changes the form of exports adds one.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner

from ledger.entrypoints.cli import cli
from ledger.proofs import signing
from tests.golden.make import EXAMPLES, HERE, LINES, answers_of

NAME = "ledger.example.edu/careers"


def main(name: str) -> None:
    made = HERE / "exports" / name
    made.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.db"

        def run(*words: str) -> str:
            found = CliRunner().invoke(cli, ["--db", url, *words], catch_exceptions=False)
            if found.exit_code > 1:
                raise SystemExit(f"{words}: {found.output}")
            return found.stdout

        lines = (EXAMPLES / "current.jsonl").read_text().splitlines(keepends=True)[:LINES]
        with patch.dict(os.environ, {signing.VARIABLE: f"{folder}/signing.key"}):
            run("keys", "sign", NAME)
            run("append", str(EXAMPLES / "imported.jsonl"), "--mode", "record")
            run("checkpoint")
            (made / "careers.vkey").write_text(run("keys", "sign", NAME, "--rotate"))
            for at in range(0, len(lines), LINES // 2):
                part = Path(folder, "part.jsonl")
                part.write_text("".join(lines[at:at + LINES // 2]))
                run("append", str(part), "--mode", "record")
                run("checkpoint")
            run("export", f"{folder}/exported")
        shutil.copytree(f"{folder}/exported", made / "exported", copy_function=shutil.copyfile)
        answers = json.dumps(answers_of(HERE.parents[1], url), indent=1, sort_keys=True)
        (made / "answers.json").write_text(f"{answers}\n")


if __name__ == "__main__":
    main(sys.argv[1])
