"""docs/security.md leaves out no role and no topic."""

import re
from pathlib import Path

from ledger.wire.topics import TOPICS, WITNESS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def test_threat_model_speaks_of_every_role_and_every_topic() -> None:
    roles = set(re.findall(r"^-- (career_ledger_[a-z]+) ", (ROOT / "infra/postgres/roles.sql").read_text(), re.M))
    assert len(roles) >= 7
    assert set(re.findall(r"^\| `(career_ledger_[a-z]+)`", TEXT, re.M)) == roles
    assert set(re.findall(r"^\| `(career\.[a-z.-]+v1)`", TEXT, re.M)) == {topic.name for topic in (*TOPICS, *WITNESS)}
