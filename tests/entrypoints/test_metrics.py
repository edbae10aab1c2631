"""What programs that run on show of themselves; that each does is in tests/relay, tests/intake, tests/projections."""

import json
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from prometheus_client import REGISTRY

from ledger.edges.figures import ShownWatch
from ledger.edges.metrics import ALIVE_SECONDS
from ledger.edges.watch import Watch
from ledger.entrypoints.cli import cli
from ledger.relay import Relay
from ledger.wire.topics import EVENTS
from tests.projections.populations import BOOKS


class Noted(Watch):
    """What was told, by its name."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def turn(self, works: bool = True) -> None:
        self.told.append("works" if works else "stands by")

    def retry(self) -> None:
        self.told.append("retry")


@pytest.fixture
def watch() -> Iterator[ShownWatch]:
    return ShownWatch("a-test")


def figure(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_program_is_at_work_as_long_as_it_turns(watch: ShownWatch) -> None:
    health = watch.routes["/health"]["GET"]
    assert json.loads(health(None).body) == {"program": "a-test", "at_work": True, "last_turn_seconds": 0.0}
    watch.turned_at -= ALIVE_SECONDS
    assert health(None).status == 503
    watch.turn()
    assert health(None).status == 200
    assert figure("career_ledger_last_turn", program="a-test") == pytest.approx(time.time(), abs=5)


def test_program_that_stands_by_turns_and_does_not_work(watch: ShownWatch) -> None:
    watch.turn()
    assert figure("career_ledger_works", program="a-test") == 1
    watch.turn(works=False)
    assert figure("career_ledger_works", program="a-test") == 0


def test_questions_for_figures_are_asked_once_a_second_and_only_where_somebody_looks(watch: ShownWatch) -> None:
    assert (watch.due(), watch.due()) == (True, False)
    assert not Watch().due()


def test_partitions_that_went_to_another_process_are_not_shown(watch: ShownWatch) -> None:
    watch.waiting({1: 5, 2: 0})
    assert figure("career_ledger_waiting_submissions", partition="1") == 5
    watch.waiting({2: 7})
    assert figure("career_ledger_waiting_submissions", partition="1") is None
    assert figure("career_ledger_waiting_submissions", partition="2") == 7


def test_figures_of_one_moment_are_added_up(watch: ShownWatch) -> None:
    for position in (10, 25):
        watch.stands(EVENTS, position, 4)
    watch.answered({"accepted": 2})
    watch.lost(3)
    watch.retry()
    labels = {"program": "a-test", "part": EVENTS}
    assert (figure("career_ledger_position", **labels), figure("career_ledger_events_total", **labels)) == (25, 8)
    assert figure("career_ledger_retries_total", program="a-test") == 1
    assert figure("career_ledger_lost_submissions_total") == 3


@pytest.mark.parametrize(("well", "told"), [(True, ["works"]), (False, [])])
def test_relay_does_not_turn_while_kafka_acknowledges_nothing(well: bool, told: list[str], sqlite_url: str) -> None:
    watch = Noted()
    Relay(sqlite_url, BOOKS, "127.0.0.1:1", 1, None, watch=watch)._show([], None, well=well)
    assert watch.told == told


def test_program_says_so_when_it_cannot_listen_or_a_package_is_missing(ledger, run,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("project", "--metrics-port", "nonsense")
    assert (done.exit_code, "--metrics-port nonsense" in done.output) == (2, True)
    done = run("project", "--metrics-port", "0.0.0.0:0")
    assert (done.exit_code, "--http-token-file" in done.output) == (2, True)
    monkeypatch.setitem(__import__("sys").modules, "ledger.edges.figures", None)
    done = run("--lang", "it", "project", "--metrics-port", "0")
    assert (done.exit_code, "richiede un pacchetto che manca" in done.output) == (2, True)


@pytest.mark.parametrize("program", ["publish", "intake", "project", "checkpoint"])
def test_every_program_that_runs_on_offers_metrics_and_logs(program: str) -> None:
    said = CliRunner().invoke(cli, [program, "--help"]).output
    assert {"--metrics-port", "--http-token-file", "--log-format"} <= set(said.split())
