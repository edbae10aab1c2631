"""Letters on their way out: what an address is, and a mail server that they are handed to; its refusal of one letter is
told from a server that is away."""

import contextlib
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr

TIMEOUT_SECONDS = 10.0
"""For each step of the conversation."""
_GOING_AWAY = 421
LONGEST_ADDRESS = 254


def is_address(text: str) -> bool:
    """An address that every mail server can be given: ASCII, and no word that a command would take for an
    option. Asks no name server."""
    from email_validator import EmailNotValidError, validate_email

    if not text.isascii() or not text.isprintable() or text.startswith("-") or len(text) > LONGEST_ADDRESS:
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


@dataclass(frozen=True)
class MailServer:
    host: str
    port: int
    starttls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)


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
