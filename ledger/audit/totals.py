"""How many findings there are: by rule, programme, academic year and severity."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

SEVERITIES = ("breach", "derogation", "notice")


class Counted(NamedTuple):
    """What is counted together. `programme`: None of a person, or of a career without one."""

    rule: str
    programme: str | None
    academic_year: str
    severity: str


class Totals:
    """A count for each group that there is: as many as rules, programmes and years, however many students."""

    def __init__(self) -> None:
        self.counted: Counter[Counted] = Counter()

    def add(self, finding: Mapping[str, Any]) -> None:
        self.counted[Counted(finding["rule"], finding["programme"], finding["academic_year"], finding["severity"])] += 1

    def watched(self, findings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The same, counted as they pass."""
        for finding in findings:
            self.add(finding)
            yield finding

    def by(self, *names: str) -> list[dict[str, Any]]:
        """For programs: the values of these fields of `Counted`, then how many of each severity and in all. In the
        order of the values, those without one last."""
        found: dict[tuple[str | None, ...], Counter[str]] = {}
        for group, count in self.counted.items():
            found.setdefault(tuple(getattr(group, name) for name in names), Counter())[group.severity] += count
        return [dict(zip(names, key, strict=True)) | {one: counts[one] for one in SEVERITIES} | {
            "findings": counts.total()} for key, counts in sorted(found.items(), key=lambda one: [
                (value is None, value or "") for value in one[0]])]

    def __len__(self) -> int:
        return self.counted.total()
