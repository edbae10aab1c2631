"""Letters on their way out: what an address is, and a mail server that they are handed to; its refusal of one letter is
told from a server that is away."""

import contextlib
import functools
import os
import re
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, NamedTuple, TypeVar, cast

import click

TIMEOUT_SECONDS = 10.0
"""For each step of the conversation."""
_GOING_AWAY = 421
USER, PASSWORD = "CAREER_LEDGER_SMTP_USER", "CAREER_LEDGER_SMTP_PASSWORD"
_F = TypeVar("_F", bound=Callable[..., Any])
LONGEST_ADDRESS = 254


def is_address(text: str) -> bool:
    """An address that every mail server can be given: ASCII, no word that a command would take for an option, and
    none that a header would read as the spelling of something else (`=?`, RFC 2047). Asks no name server."""
    from email_validator import EmailNotValidError, validate_email

    if not text.isascii() or not text.isprintable() or len(text) > LONGEST_ADDRESS or text.startswith("-") \
            or "=?" in text:
        return False
    try:
        found = validate_email(text, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False,
                               strict=True)
    except EmailNotValidError:
        return False
    return found.ascii_email is not None


class Away(RuntimeError):
    """The server cannot be used now. The text holds no address."""


class Later(RuntimeError):
    """The server wants this letter another time. `code`: SMTP's, 4xx."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class LetterRefused(RuntimeError):
    """The server refuses this letter for good. `code`: SMTP's, 5xx; `address`: because of whom it goes to."""

    def __init__(self, code: int, address: bool) -> None:
        super().__init__(code)
        self.code, self.address = code, address


FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 60.0, 3600.0


def pause_seconds(attempts: int) -> float:
    """Before a letter is tried again; it doubles."""
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(attempts, 16), LONGEST_RETRY_SECONDS)


@dataclass(frozen=True)
class MailServer:
    host: str
    port: int
    starttls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class Mails(NamedTuple):
    """Where letters go, whom they come from, and who reads what is answered (None: nobody)."""

    server: MailServer
    sender: str
    reply_to: str | None


def mail_options(needed: bool) -> Callable[[_F], _F]:
    """--smtp, --starttls, --sender, --reply-to, handed over as `mails`; None where no server is named and none is
    `needed`."""
    options = (
        click.option("--smtp", required=needed, envvar="CAREER_LEDGER_SMTP", metavar="HOST:PORT", show_envvar=True,
                     callback=_host,
                     help=f"The mail server. {USER} and {PASSWORD} in the environment are its login, if it asks for "
                          "one."),
        click.option("--starttls", is_flag=True, help="Encrypts the connection and checks the server's certificate."),
        click.option("--sender", required=needed, envvar="CAREER_LEDGER_MAIL_SENDER", metavar="ADDRESS",
                     show_envvar=True, callback=_option_address, help="Whom the e-mails come from."),
        click.option("--reply-to", envvar="CAREER_LEDGER_MAIL_REPLY_TO", metavar="ADDRESS", show_envvar=True,
                     callback=_option_address,
                     help="Who reads what is answered. Without it the e-mails ask not to be answered."))

    def with_options(command: _F) -> _F:
        @functools.wraps(command)
        def with_mails(*args: Any, smtp: tuple[str, int] | None, starttls: bool, sender: str | None,
                       reply_to: str | None, **rest: Any) -> Any:
            user = os.environ.get(USER) or None
            if user and smtp is not None and not starttls:
                raise click.UsageError(f"{USER} is set: a password is sent over an encrypted connection only, add "
                                       "--starttls")
            if smtp is not None and sender is None:
                raise click.UsageError("--smtp needs --sender: whom the e-mails come from")
            mails = None if smtp is None or sender is None else Mails(
                MailServer(*smtp, starttls, user, os.environ.get(PASSWORD)), sender, reply_to)
            return command(*args, mails=mails, **rest)

        found: Any = with_mails
        for option in reversed(options):
            found = option(found)
        return cast("_F", found)

    return with_options


def _option_address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not (value.isprintable() and is_address(parseaddr(value)[1])):
        raise click.BadParameter("write an address such as no-reply@example.org or Office <no-reply@example.org>")
    return value


def _host(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    found = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", value)
    if found is None or not 0 < int(found[2]) < 65536:
        raise click.BadParameter(f"write HOST:PORT, such as mail.example.org:587; {USER} and {PASSWORD} are the login")
    return found[1].strip("[]"), int(found[2])


class Post:
    """One connection, opened when it is needed."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._opened: smtplib.SMTP | None = None

    def open(self) -> None:
        """Raises Away."""
        if self._opened is not None:
            return
        server = self._server
        opened = None
        try:
            opened = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
            if server.starttls:
                opened.starttls(context=ssl.create_default_context())
            if server.user is not None:
                opened.login(server.user, server.password or "")
        except (smtplib.SMTPException, OSError) as error:
            if opened is not None:
                opened.close()
            raise Away(_said(error)) from None
        self._opened = opened

    def send(self, letter: EmailMessage) -> None:
        """It has been accepted when this returns. Raises LetterRefused, Later, Away (then it may have
        been accepted all the same)."""
        self.open()
        if self._opened is None:
            raise Away("no connection")
        try:
            # send_message writes ">From"
            self._opened.sendmail(parseaddr(letter["From"])[1], [letter["To"]], letter.as_bytes())
        except smtplib.SMTPRecipientsRefused as error:
            (code, _), = error.recipients.values()
            self._no(code, address=True)
        except smtplib.SMTPDataError as error:
            self._no(error.smtp_code, address=False)
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise Away(_said(error)) from None

    def _no(self, code: int, address: bool) -> None:
        if code == _GOING_AWAY:
            self._drop()
            raise Away(f"code {code}")
        if code >= 500:
            raise LetterRefused(code, address)
        raise Later(code)

    def _drop(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def close(self) -> None:
        """Politely; what the server says to it makes no difference."""
        if self._opened is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._opened.quit()
            self._drop()


def _said(error: Exception) -> str:
    """The kind of error and SMTP's code: a server's text may hold an address."""
    code = getattr(error, "smtp_code", None)
    return type(error).__name__ + (f", code {code}" if code is not None else "")
