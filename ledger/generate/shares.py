"""How often each thing happens in an invented population."""

from dataclasses import dataclass, fields
from datetime import date

MIX = ("bachelor", "single_cycle", "master", "single_courses", "applicants")
"""The kinds of students: their shares are relative to each other."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares from 0 to 1, each of the whole that its line names. A fixed seed gives the same students for the same
    shares.

    Raises ValueError naming the field that lies outside."""

    until: date = date(2026, 9, 30)
    """The last day on which anything is recorded: what would come later is left out. Not after the importing ledger's
    clock."""
    first_years: tuple[tuple[str, float], ...] = (
        ("2017-18", 0.04), ("2018-19", 0.12), ("2019-20", 0.27), ("2020-21", 0.05), ("2021-22", 0.05),
        ("2022-23", 0.07), ("2023-24", 0.10), ("2024-25", 0.11), ("2025-26", 0.19))
    """Academic years of first enrolment, with weights relative to each other (2017-18 to 2025-26)."""

    # Of all students, relative to each other
    bachelor: float = 0.55
    """Begin with a bachelor's programme."""
    single_cycle: float = 0.10
    """Begin with a single-cycle programme."""
    master: float = 0.25
    """Come from elsewhere for a master's programme."""
    single_courses: float = 0.07
    """Take single courses only, in 2019-20, 2024-25 or 2025-26."""
    applicants: float = 0.03
    """Apply for a master's and never enrol."""

    # Of first enrolments
    restricted: float = 0.20
    """Programmes of restricted access (none for masters of 2019-20, where the guide has no rules for them)."""
    not_admitted: float = 0.10
    """Applicants whom a ranking (restricted) or an assessment (open master's) turns down."""
    second_application: float = 0.15
    """Open master's applicants who pre-enrol in a second programme too, and never enrol there."""
    foreign: float = 0.05
    """Open master's applicants of 2025-26 with a foreign title or a visa."""
    reservation: float = 0.25
    """Masters' enrolments made with reservation, before the first degree."""
    reservation_fails: float = 0.25
    """Reservations that are not met: lapsed, declined or cancelled."""
    transfers_in: float = 0.04
    """Arrive from another university."""
    recognition: float = 0.06
    """Ask for recognition of a second degree, a shortening, a re-enrolment or a foreign degree."""
    part_time: float = 0.05
    """Enrol as part-time."""
    late_enrolment: float = 0.08
    """First enrolments (and renewals, and requests of recognition) filed or paid after their term."""

    # Of years of a career
    renunciation: float = 0.04
    """Withdraw from their studies."""
    renunciation_lapses: float = 0.30
    """Of the withdrawals of 2025-26: the stamp is not paid within 30 days, so that they lapse."""
    drop_outs: float = 0.045
    """Leave without a word before the next year; a part of them is declared forfeited later."""
    transfers_out: float = 0.015
    """Leave for another university."""
    programme_changes: float = 0.03
    """Change programme after the year."""
    suspensions: float = 0.015
    """Suspend their studies and resume them at the end of the year."""
    to_part_time: float = 0.02
    """Change to part-time with a renewal; half of them go back when they may."""

    # Of graduates
    continues: float = 0.40
    """Bachelor's graduates who go on to a master's here."""
    renewed_in_vain: float = 0.20
    """Graduates of the last sessions of 2024-25 who had renewed for 2025-26 and are refunded."""
    diploma: float = 0.40
    """Ask for the Diploma Supplement."""

    # Of instalments in ruled years
    late_payments: float = 0.12
    """Paid up to 30 days late."""
    very_late_payments: float = 0.05
    """Paid 31 to 120 days late: a block stands in between."""
    never_paid: float = 0.02
    """Never paid."""
    partial_payments: float = 0.07
    """Paid in two parts."""
    plans_agreed: float = 0.25
    """Of instalments after the first that may be split: paid under an agreed plan."""
    overpaid: float = 0.01
    """Paid twice and refunded."""
    misdirected: float = 0.01
    """Paid on a charge that does not exist; most of it is moved to the right one."""
    surcharges_unpaid: float = 0.25
    """Of surcharges and penalties: not paid unless something depends on it."""
    surcharges_waived: float = 0.04
    """Of surcharges and penalties: waived by an officer."""
    unruled_payments: float = 0.03
    """Of enrolments in years without a rule book: with a payment, which stays unallocated."""

    # Of years with a contribution
    without_isee: float = 0.20
    """No ISEE attestation: the top band."""
    late_isee: float = 0.05
    """An attestation issued after 31 December."""
    invalid_isee: float = 0.02
    """A first attestation that does not hold for the university."""
    late_plans: float = 0.06
    """Study plans filed after their term."""

    # Of exams
    attempts: float = 0.8
    """Of the exams that could be sat in a session: attempted."""
    passed: float = 0.78
    """Attempts that are passed."""
    written: float = 0.65
    """Exams in writing, whose grade can be refused."""
    grades_refused: float = 0.04
    """Written passes that the student refuses."""
    bookings_cancelled: float = 0.04
    """Bookings cancelled by the student."""
    no_shows: float = 0.04
    """Bookings after which nobody came."""
    annulled: float = 0.004
    """Passes annulled later."""

    # How it was recorded
    late_recorded: float = 0.06
    """Of payments and grades: recorded days after they happened, where no act came in between."""
    voided: float = 0.01
    """Of payments and grades: recorded wrongly, voided, and recorded again."""
    tickets: float = 0.15
    """Of all students: opened a ticket."""
    derogations: float = 0.03
    """Of all students: an officer's override let one exam be booked after the term."""
    breaches: float = 0.05
    """Of all students: exactly one event breaks a rule (0: everything obeys)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int) and not 0 <= value <= 1:
                raise ValueError(f"{field.name} is {value}: write a share from 0 to 1")
        for year, weight in self.first_years:
            if year not in FIRST_YEARS or weight < 0:
                raise ValueError(f"first_years names {year!r} with {weight}: write years from 2017-18 to 2025-26 and "
                                 "weights from 0")
        if not sum(weight for _, weight in self.first_years):
            raise ValueError("first_years: at least one weight must be above 0")
        if not sum(float(getattr(self, name)) for name in MIX):
            raise ValueError(f"{', '.join(MIX)}: at least one must be above 0")


FIRST_YEARS = tuple(f"{y}-{(y + 1) % 100:02d}" for y in range(2017, 2026))
