"""Which of our services reads what of the ledger's topics, for whoever asks what became of her data. A test compares it
with the services; whoever else may read the topics stands in the brokers' list of rights."""

from collections.abc import Mapping

from .topics import EVENTS, STATE

READERS: Mapping[str, Mapping[str, frozenset[str] | None]] = {
    EVENTS: {"archive": None, "notifications": frozenset({"ticket-opened", "ticket-closed", "event-voided"}),
             "treasury": frozenset({"instalment-paid", "event-voided"})},
    STATE: {"booking_gate": None, "notifications": None, "treasury": None},
}
"""topic -> service -> the types of event that it reads (None: all)."""


def readers(topic: str, type: str) -> list[str]:
    return [service for service, types in READERS[topic].items() if types is None or type in types]
