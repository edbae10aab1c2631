"""Every parser, once: for hypothesis (`make test`) and for atheris (`make fuzz`)."""

from . import books, eservices, exports, files, privacy, proofs, spoken, stored, submissions, tickets, ways, wire
from .target import Target

TARGETS: tuple[Target, ...] = (*submissions.TARGETS, *ways.TARGETS, *stored.TARGETS, *books.TARGETS,
                               *wire.TARGETS, *files.TARGETS, *spoken.TARGETS, *privacy.TARGETS, *proofs.TARGETS,
                               *exports.TARGETS, *eservices.TARGETS, *tickets.TARGETS)

__all__ = ["TARGETS", "Target"]
