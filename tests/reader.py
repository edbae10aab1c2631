"""How the tests read topics.

kafka-python (3.0.12) asks a partition's old leader for its end again and again, and where the leader is only when the
metadata is of a certain age: five minutes, if nothing is said. Leaders move back some seconds after brokers came back.
"""

from typing import Any

READER: dict[str, Any] = {"enable_auto_commit": False, "metadata_max_age_ms": 1000}
