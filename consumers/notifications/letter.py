"""Writes a letter: the templates hold every word, in Italian and English; a paragraph is one line, however long.

A kind's template gives the subject in line 1 and below it what there is to say; `letter.txt` puts greeting and end
around that of one notice or of several. Charges, blocks, days and amounts are written as everywhere in the ledger
(`ledger.words`): the filters `charge`, `block`, `day` and `money`; `words.txt` holds what several letters say. The HTML
says the same words: it is made from the text (`#` a heading, `-` an entry of a list), every one of them escaped.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache, partial
from textwrap import fill
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from ledger.edges.text import visible
from ledger.rulebooks.institution import Institution, packaged
from ledger.words import Language
from ledger.words.entries import named
from ledger.words.values import charge, day, money

from .agenda import ITALY, Facts, Notice

LANGUAGES: tuple[Language, ...] = ("it", "en")
LONGEST_WORDS = 200
WIDTH = 76
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class From(NamedTuple):
    """Whom letters come from, who reads what is answered (None: nobody), and the university (None: of the packaged
    rule books)."""

    address: str
    reply_to: str | None = None
    institution: Institution | None = None


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader(__package__), undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True, autoescape=select_autoescape(("html",)))


@cache
def _template(language: Language, name: str) -> Template:
    """A text in a language."""
    spoken = _environment().overlay()
    spoken.filters = spoken.filters | {
        "charge": partial(charge, language=language), "money": partial(money, language=language),
        "block": partial(named, "block", language=language), "day": lambda one,
        article="": format(day(one, language), article)}
    return spoken.get_template(f"{language}/{name}.txt")


def plain(text: str) -> str:
    """A text from a topic on one line, without control characters or overrides, and no longer than a line should be."""
    return visible(_BLANK.sub(" ", text).strip()[:LONGEST_WORDS])


def _plain(fact: Any) -> Any:
    if isinstance(fact, str):
        return plain(fact)
    if isinstance(fact, list):
        return [_plain(one) for one in fact]
    return {name: _plain(one) for name, one in fact.items()} if isinstance(fact, dict) else fact


Contents = Sequence[tuple[Notice, Facts]]
"""What one letter says."""


def _words(told: Contents, language: Language, reply_to: str | None, of: Institution) -> tuple[str, str]:
    """Subject and text."""
    institution = {"name": of.name.in_language(language), "tickets": of.tickets.get(language, ())}
    parts = []
    for notice, facts in told:
        subject, _, body = _template(language, notice.kind).render(
            _plain(facts), institution=institution).partition("\n")
        parts.append({"subject": subject.strip(), "body": body.strip()})
    for part in parts if len(parts) > 1 else ():
        part["body"] = part["body"][:1].upper() + part["body"][1:]
    written = _template(language, "letter").render(parts=parts, reply_to=reply_to, institution=institution)
    subject, _, body = written.partition("\n")
    return subject.strip(), re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"


def text(told: Contents, language: str, reply_to: str | None = None,
         institution: Institution | None = None) -> tuple[str, str, str]:
    """Subject, text and HTML. `language` it or en; "" is Italian with English below."""
    written = [(one, *_words(told, one, reply_to, institution or packaged())) for one in LANGUAGES
               if language in ("", one)]
    subject = " / ".join(subject for _, subject, _ in written)
    body = f"\n{'-' * 60}\n\n".join(_folded(words) for _, _, words in written)
    html = _environment().get_template("letter.html").render(
        subject=subject, both=not language,
        parts=[{"language": one, "blocks": list(_blocks(words))} for one, _, words in written])
    return subject, body if language else f"[English text below]\n\n{body}", html


def _folded(words: str) -> str:
    return "\n".join(fill(line, WIDTH, subsequent_indent="  " if line.startswith("- ") else "", break_long_words=False,
                          break_on_hyphens=False) for line in words.splitlines()) + "\n"


def _blocks(words: str) -> Iterator[tuple[str, list[str]]]:
    """Headings, paragraphs and lists, each with its lines."""
    for block in words.strip().split("\n\n"):
        lines = block.split("\n")
        if lines[0].startswith("# "):
            yield "heading", [lines.pop(0)[2:]]
        if rest := [line for line in lines if not line.startswith("- ")]:
            yield "paragraph", rest
        if entries := [line[2:] for line in lines if line.startswith("- ")]:
            yield "list", entries


def message_id(notices: Sequence[Notice], sender: str) -> str:
    """The same for the same notices: a mail system that gets them twice can tell."""
    ids = sorted(notice.id for notice in notices)
    name = ids[0] if len(ids) == 1 else hashlib.sha256("\n".join(ids).encode()).hexdigest()[:40]
    return f"<{name}@{parseaddr(sender)[1].rpartition('@')[2]}>"


def write(told: Contents, language: str, sender: From, address: str, now: datetime) -> EmailMessage:
    subject, body, html = text(told, language, sender.reply_to, sender.institution)
    letter = EmailMessage(policy=SMTP)
    letter.set_content(body, cte="quoted-printable")
    letter.add_alternative(html, subtype="html", cte="quoted-printable")
    letter["From"], letter["To"], letter["Subject"] = sender.address, address, subject
    if sender.reply_to is not None:
        letter["Reply-To"] = sender.reply_to
    letter["Date"] = format_datetime(now.astimezone(ITALY))
    letter["Message-ID"] = message_id([notice for notice, _ in told], sender.address)
    letter["X-Notices"] = " ".join(notice.id for notice, _ in told)
    letter["Auto-Submitted"] = "auto-generated"
    letter["Content-Language"] = language or ", ".join(LANGUAGES)
    return letter
