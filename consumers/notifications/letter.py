"""Writes a notice: the templates hold every word, in Italian and English. Line 1 of what a template gives is the
subject; a paragraph is one line, however long.

In `words.txt` of each language stand the names of charges and blocks, and how days and amounts are written.
"""

import re
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from textwrap import fill
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ledger.edges.text import visible

from .agenda import Facts, Notice

LANGUAGES = ("it", "en")
LONGEST_WORDS = 200
WIDTH = 76
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


@cache
def _template(name: str) -> Template:
    found = Environment(loader=PackageLoader(__package__), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                        autoescape=False)  # noqa: S701 - plain text
    return found.get_template(name)


def plain(text: str) -> str:
    """A text from a topic on one line, without control characters or overrides, and no longer than a line should be."""
    return visible(_BLANK.sub(" ", text).strip()[:LONGEST_WORDS])


def _plain(fact: Any) -> Any:
    if isinstance(fact, str):
        return plain(fact)
    if isinstance(fact, list):
        return [_plain(one) for one in fact]
    return {name: _plain(one) for name, one in fact.items()} if isinstance(fact, dict) else fact


def text(kind: str, facts: Facts, language: str) -> tuple[str, str]:
    """Subject and body. `language` it or en; "" is Italian with English below."""
    if language == "":
        (subject, body), (other, below) = (text(kind, facts, one) for one in LANGUAGES)
        return f"{subject} / {other}", f"[English text below]\n\n{body}\n{'-' * 60}\n\n{below}"
    subject, _, body = _template(f"{language}/{kind}.txt").render(_plain(facts)).partition("\n")
    lines = (fill(line, WIDTH, subsequent_indent="  " if line.startswith("- ") else "", break_long_words=False, break_on_hyphens=False)
             for line in body.splitlines())
    return subject.strip(), re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def message_id(notice: Notice, sender: str) -> str:
    """The same for the same notice: a mail system that gets it twice can tell."""
    return f"<{notice.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"


def write(notice: Notice, facts: Facts, language: str, sender: str, address: str, now: datetime) -> EmailMessage:
    subject, body = text(notice.kind, facts, language)
    letter = EmailMessage(policy=SMTP)
    letter.set_content(body, cte="quoted-printable")
    letter["From"], letter["To"], letter["Subject"] = sender, address, subject
    letter["Date"] = format_datetime(now)
    letter["Message-ID"] = message_id(notice, sender)
    letter["Auto-Submitted"] = "auto-generated"
    letter["Content-Language"] = language or ", ".join(LANGUAGES)
    return letter
