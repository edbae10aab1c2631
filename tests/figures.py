"""What a program shows under /metrics and /health."""

import json
import re
import time
from collections.abc import Mapping
from http.client import HTTPConnection

from prometheus_client.parser import text_string_to_metric_families

from tests.processes import Program

PORT = ("--metrics-port", "0")
Figures = Mapping[str, float]
"""By name and labels, as Prometheus writes them: name{a="b"}."""


def port_of(program: Program, seconds: float = 60.0) -> int:
    """Where a program started with `PORT` listens, as it says."""
    until = time.monotonic() + seconds
    while (found := re.search(r"metrics on port (\d+)", program.said()[1])) is None:
        assert time.monotonic() < until, program.said()[1]
        time.sleep(0.02)
    return int(found[1])


def asked(port: int, path: str) -> tuple[int, str]:
    link = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read().decode()
    finally:
        link.close()


def figures(port: int) -> Figures:
    status, text = asked(port, "/metrics")
    assert status == 200
    return {one.name + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(one.labels.items())) + "}" if one.labels else "")
            : one.value for family in text_string_to_metric_families(text) for one in family.samples}


def shows(port: int, wanted: Figures, seconds: float = 30.0) -> None:
    """Returns when these figures are shown; a program tells them about once a second."""
    until = time.monotonic() + seconds
    while not wanted.items() <= (found := figures(port)).items():
        assert time.monotonic() < until, {name: found.get(name) for name in wanted}
        time.sleep(0.1)


def is_at_work(port: int, program: str) -> bool:
    status, text = asked(port, "/health")
    found = json.loads(text)
    assert found["program"] == program
    return status == 200 and bool(found["at_work"])
