"""What a program that runs on tells of itself while it works. The numbers are shown by `ledger.edges.figures`
where they are asked for."""

from collections.abc import Mapping


class Watch:
    """This one tells nobody. Figures only: `part` is a topic or a partition, never who is in it."""

    def due(self) -> bool:
        """Whether it is time for figures that cost a question: about once a second where somebody looks at them."""
        return False

    def turn(self, works: bool = True) -> None:
        """All is well at this moment. Not `works`: another process does the work, this one stands by."""

    def retry(self) -> None:
        """The database or the brokers were away."""

    def stands(self, part: str, position: int, events: int = 0) -> None:
        """How far a part has come in the log, and how many events it took on the way since this was last said."""

    def log_ends(self, position: int) -> None: ...

    def aside(self, part: str, students: int) -> None: ...

    def answered(self, outcomes: Mapping[str, int]) -> None:
        """How many submissions were given each outcome, since this was last said."""

    def lost(self, submissions: int) -> None:
        """The topic deleted them before they were read."""

    def waiting(self, messages: Mapping[int, int]) -> None:
        """How many submissions wait in each partition that this process has."""
