"""The reference of a debt position, and the reason for payment that is printed with it.

The reference is pagoPA's IUV of 17 digits in the scheme of auxiliary digit 3 (PagoPA S.p.A., "Specifiche attuative dei codici
identificativi di versamento", template IUV.3): segregation code (2), base (13), check digits (2) = the number formed by auxiliary
digit, segregation code and base, modulo 93. The notice number (18) is the auxiliary digit before it.
The base is a hash of student, career and charge, so that the same charge has the same reference wherever it is computed; where two
charges meet on one base, the table that keeps them tries again with the next `attempt`.
"""

import hashlib
import re

AUX_DIGIT = "3"
SEGREGATION = "00"
"""The code that PagoPA S.p.A. gives to a point of generation; 00 is the first."""
_BASES = 10 ** 13
_IUV = re.compile(r"[0-9]{17}")
_CODE = re.compile(r"[0-9]{2}")

CONTRIBUTION = "Contributo onnicomprensivo"
LABELS = {
    "preenrolment": "Contributo di preiscrizione", "enrolment": "Tassa regionale e bollo", "instalment-1": f"{CONTRIBUTION}, prima rata",
    "instalment-2": f"{CONTRIBUTION}, seconda rata", "recognition": "Contributo per riconoscimento", "single-courses": "Corsi singoli",
    "single-courses-stamp": "Bollo corsi singoli", "withdrawal-stamp": "Bollo", "diploma-supplement-post": "Spedizione documento",
}
EXTRA = "Importo aggiuntivo"
"""What every surcharge and penalty is called: a bank need not learn why one is asked for."""


def check_digits(code_and_base: str) -> str:
    return f"{int(AUX_DIGIT + code_and_base) % 93:02d}"


def iuv(student: str, career: str, charge: str, attempt: int = 0, segregation: str = SEGREGATION) -> str:
    """17 digits. Raises ValueError for a segregation code that is not two digits."""
    if not _CODE.fullmatch(segregation):
        raise ValueError("segregation code: write the two digits that PagoPA gave, such as 00")
    hashed = hashlib.sha256("\n".join((student, career, charge, str(attempt))).encode()).digest()
    body = f"{segregation}{int.from_bytes(hashed[:16], 'big') % _BASES:013d}"
    return body + check_digits(body)


def problem_of(reference: str) -> str | None:
    """What is wrong with the form of a reference, and the fix; None where its form is right."""
    if not _IUV.fullmatch(reference):
        return "write the 17 digits of the IUV (the notice number without its first digit)"
    if check_digits(reference[:15]) != reference[15:]:
        return "the check digits do not fit: a digit is mistyped"
    return None


def notice_number(reference: str) -> str:
    return AUX_DIGIT + reference


def reason_for_payment(charge: str) -> str:
    """The causale of a charge's key: what is paid and of which academic year, nothing about the person."""
    year, _, kind = charge.partition(":")
    return f"{LABELS.get(kind.partition('#')[0], EXTRA)} {year}"
