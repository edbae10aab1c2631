"""The reference of a debt position, and the reason for payment that is printed with it.

The reference is pagoPA's IUV of 17 digits in the scheme of auxiliary digit 3 (PagoPA S.p.A., "Specifiche attuative dei
codici identificativi di versamento", schemes NAV.3 and IUV.3): segregation code (2), base (13), check digits (2) = the
number formed by auxiliary digit, segregation code and base, modulo 93. The notice number (18) is the auxiliary digit
before it; other schemes (0 with an application code and an IUV of 15 digits, 1, 2) are of other creditors' archives.
The base is a hash of student, career and position, so that the same one has the same reference wherever it is computed;
where two meet on one base, the table that keeps them tries again with the next `attempt`.

A position is a charge by its key, or `CHARGE@DATE`: the part of it that falls due on a day.
"""

import hashlib
import re
from datetime import date

from ledger.domain.form import wrong
from ledger.domain.rulebook import INSTALMENTS
from ledger.domain.values import iuv_check

AUX_DIGIT = "3"
SEGREGATION = "00"
"""The code that PagoPA S.p.A. gives to a point of generation; 00 is the first."""
_BASES = 10 ** 13
_IUV = re.compile(r"[0-9]{17}")
_NOTICE = re.compile(r"[0-9]{18}")
_CODE = re.compile(r"[0-9]{2}")

CONTRIBUTION = "Contributo onnicomprensivo"
LABELS = {
    "preenrolment": "Contributo di pre-iscrizione", "enrolment": "Tassa regionale e bollo",
    **{kind: f"{CONTRIBUTION}, {number} rata" for kind, number in zip(
        INSTALMENTS, ("prima", "seconda", "terza", "quarta", "quinta", "sesta"), strict=True)},
    "recognition": "Contributo per riconoscimento",
    "single-courses": "Corsi singoli",
    "single-courses-stamp": "Bollo corsi singoli", "withdrawal-stamp": "Bollo",
    "diploma-supplement-post": "Spedizione documento", "transfer-out": "Contributo per trasferimento",
    "final-exam-application": "Bollo",
}
EXTRA = "Importo aggiuntivo"
"""What every surcharge and penalty is called: a bank need not learn why one is asked for."""


def position_of(charge: str, due_on: date) -> str:
    """The key of the position of a charge's part."""
    return f"{charge}@{due_on.isoformat()}"


def charge_of(position: str) -> str:
    return position.partition("@")[0]


def due_of(position: str) -> date | None:
    """Of a part."""
    text = position.partition("@")[2]
    return date.fromisoformat(text) if text else None


def iuv(student: str, career: str, position: str, attempt: int = 0, segregation: str = SEGREGATION) -> str:
    """17 digits. Raises ValueError for a segregation code that is not two digits."""
    if not _CODE.fullmatch(segregation):
        raise ValueError("segregation code: write the two digits that PagoPA gave, such as 00")
    hashed = hashlib.sha256("\n".join((student, career, position, str(attempt))).encode()).digest()
    body = f"{segregation}{int.from_bytes(hashed[:16], 'big') % _BASES:013d}"
    return body + iuv_check(AUX_DIGIT + body)


def read(text: str) -> str:
    """The IUV, of an IUV or of the notice number that holds it. Raises an error of form (`wrong`)."""
    if _NOTICE.fullmatch(text):
        if text[0] != AUX_DIGIT:
            raise wrong("form/iuv-first-digit", number=text[0], text=AUX_DIGIT)
        text = text[1:]
    if not _IUV.fullmatch(text):
        raise wrong("form/iuv")
    if iuv_check(AUX_DIGIT + text[:15]) != text[15:]:
        raise wrong("form/iuv-check-digits")
    return text


def notice_number(reference: str) -> str:
    return AUX_DIGIT + reference


def reason_for_payment(position: str) -> str:
    """The causale: what is paid, of which academic year and, of a part, by when; nothing about the person."""
    year, _, kind = charge_of(position).partition(":")
    due_on = due_of(position)
    part = f", rata del {due_on:%d/%m/%Y}" if due_on is not None else ""
    return f"{LABELS.get(kind.partition('#')[0], EXTRA)} {year}{part}"
