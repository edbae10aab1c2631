"""Dashboard, alert rules and scrape settings ask for what the programs show, and for all of it."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from ledger.wire.topics import TOPICS

FOLDER = Path(__file__).parents[2] / "infra" / "monitoring"
PROGRAMS = ("ledger.edges.figures", "consumers.kit.metrics", "consumers.booking_gate.http",
            "consumers.notifications.service", "consumers.notifications.sender")
OURS = re.compile(r"\b(?:career|booking_gate)_[a-z_]+")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
OF_PROMETHEUS = {"job", "instance", "runs", "le"}
"""Labels that it adds, or infra/monitoring/prometheus.yml."""


@pytest.fixture(scope="module")
def shown() -> dict[str, set[str]]:
    """The name of each number that a program shows -> its labels."""
    for program in PROGRAMS:
        import_module(program)
    found = {}
    for one in list(REGISTRY._collector_to_names):
        if (name := getattr(one, "_name", "")) and OURS.fullmatch(name):
            found |= {name + suffix: set(one._labelnames) for suffix in SUFFIXES[one._type]}
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Where each stands, and the question."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in board()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_questions_name_only_numbers_and_labels_that_programs_show(shown: dict[str, set[str]]) -> None:
    for place, asked in expressions():
        named = set(OURS.findall(asked))
        assert named - shown.keys() == set(), place
        assert named or asked.startswith("up{"), place
        labels = set().union(*(shown[name] for name in named)) | OF_PROMETHEUS
        used = {label.strip() for inside in re.findall(r"(?:by|on) \(([^)]*)\)", asked) for label in inside.split(",")}
        used |= set(re.findall(r"[{,]\s*([a-z_]+)\s*(?:=~|!=|!~|=)", asked))
        assert used <= labels, place
        assert asked.count("(") == asked.count(")"), place


def test_every_number_that_a_program_shows_is_on_the_dashboard(shown: dict[str, set[str]]) -> None:
    asked = {name for panel in board()["panels"] for target in panel["targets"]
             for name in OURS.findall(target["expr"])}
    of = re.compile("_(total|bucket|count|sum)$")
    families = {of.sub("", name) for name in shown}
    assert {of.sub("", name) for name in asked} == families


def test_legends_and_summaries_name_labels_that_are_there(shown: dict[str, set[str]]) -> None:
    for rule in rules():
        given = set().union(*(shown[name] for name in OURS.findall(rule["expr"]))) | OF_PROMETHEUS
        assert set(re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"])) <= given, rule["alert"]
    for panel in board()["panels"]:
        for target in panel["targets"]:
            given = set().union(*(shown[name] for name in OURS.findall(target["expr"])))
            assert set(re.findall(r"{{([a-z_]+)}}", target["legendFormat"])) <= given, panel["title"]


def test_alert_rules_have_the_shape_that_prometheus_wants() -> None:
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found) > 10
    for rule in found:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert re.fullmatch(r"[0-9]+[smh]", rule.get("for", "1m"))
    page = (FOLDER.parents[1] / "docs" / "operations.md").read_text()
    assert {rule["alert"] for rule in found} == set(re.findall(r"^\| `([A-Z][A-Za-z]+)`", page, re.M))


def test_dashboard_has_the_shape_that_grafana_wants() -> None:
    found = board()
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    for panel in found["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        assert 0 <= panel["gridPos"]["x"] <= 24 - panel["gridPos"]["w"]
    assert [one["name"] for one in found["templating"]["list"]] == ["source"]


def test_prometheus_asks_every_program_at_a_port_of_its_own() -> None:
    found = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    targets = [one for job in found["scrape_configs"] for one in job["static_configs"]]
    assert len({one["targets"][0] for one in targets}) == len(targets) == 8
    assert found["rule_files"] == ["alerts.yml"]
    assert {one["labels"]["runs"] for one in targets} == {"publish", "intake", "project", "checkpoint", "booking_gate",
                                                          "treasury", "notifications", "archive"}


def test_compose_file_gives_prometheus_and_grafana_what_is_here_on_loopback_only() -> None:
    services = yaml.safe_load((FOLDER.parent / "compose.yaml").read_text())["services"]
    mounted = {}
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]  # nobody gets it who does not ask
        for one in services[name]["volumes"]:
            here, there, *_ = one.split(":")
            if here.startswith("."):
                assert (FOLDER.parent / here).is_file(), one
                mounted[there] = (FOLDER.parent / here).resolve()
    assert {path.relative_to(FOLDER).as_posix() for path in mounted.values()} == {
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    asked = dict(one.lstrip("-").split("=", 1) for one in services["prometheus"]["command"])
    settings = mounted[asked["config.file"]]
    for rules_ in yaml.safe_load(settings.read_text())["rule_files"]:
        assert str(Path(asked["config.file"]).with_name(rules_)) in mounted
    [source] = yaml.safe_load((FOLDER / "grafana" / "sources.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == (board()["templating"]["list"][0]["query"],
                                               f"http://{asked['web.listen-address']}")
    [provider] = yaml.safe_load((FOLDER / "grafana" / "dashboards.yml").read_text())["providers"]
    said = services["grafana"]["environment"]
    assert said["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].rpartition("/")[0] == provider["options"]["path"]
    assert mounted[said["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]] == FOLDER / "dashboard.json"
    assert {one.partition(":")[0] for one in (asked["web.listen-address"], said["GF_SERVER_HTTP_ADDR"])} == {
        "127.0.0.1"}


def test_labels_of_numbers_can_name_no_person(shown: dict[str, set[str]]) -> None:
    assert set().union(*shown.values()) <= {"program", "part", "outcome", "partition", "consumer", "topic", "reason",
                                            "kind", "route", "status"}
    assert all("student" not in topic.name for topic in TOPICS)
