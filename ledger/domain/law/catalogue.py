"""What the chapters offer, on one page: which fact, day, charge and act asks which of them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from ..books import LawBooks
from ..case import Predicate
from ..events import ABOUT_THE_PERSON as OF_THE_PERSON
from ..events import ACTS, PAYLOADS
from ..reasons import Reason
from ..rulebook import RuleBook
from ..state import Career, Charge, Person
from ..submissions import Event
from . import (
    blocks,
    career,
    contribution,
    degree,
    enrolment,
    entry,
    exams,
    isee,
    lateness,
    payments,
    plans,
    recognition,
    refunds,
    regime,
    reservation,
    single_courses,
    study_plan,
    tickets,
    withdrawal,
)

# Facts

HANDLERS: dict[str, Callable[[Person, Career, Event, LawBooks], None]] = {
    "preenrolled": entry.preenrolled,
    "preparation-assessed": entry.preparation_assessed,
    "ranked": entry.ranked,
    "enrolled": enrolment.enrolled,
    "enrolment-renewed": enrolment.enrolment_renewed,
    "enrolled-with-reservation": reservation.enrolled_with_reservation,
    "reservation-lifted": reservation.reservation_lifted,
    "reservation-declined": reservation.reservation_declined,
    "enrolment-cancelled": reservation.enrolment_cancelled,
    "degree-candidacy-declared": degree.degree_candidacy_declared,
    "graduated": degree.graduated,
    "contribution-assessed": contribution.contribution_assessed,
    "isee-certified": isee.isee_certified,
    "instalment-paid": payments.instalment_paid,
    "payment-refunded": payments.payment_refunded,
    "payment-moved": payments.payment_moved,
    "charge-decided": payments.charge_decided,
    "instalment-plan-agreed": plans.instalment_plan_agreed,
    "administrative-block-ordered": blocks.block_ordered,
    "administrative-block-revoked": blocks.block_revoked,
    "regime-changed": regime.regime_changed,
    "recognition-requested": recognition.recognition_requested,
    "cfu-recognised": recognition.cfu_recognised,
    "programme-changed": recognition.programme_changed,
    "single-courses-enrolled": single_courses.single_courses_enrolled,
    "study-plan-submitted": study_plan.study_plan_submitted,
    "study-plan-approved": study_plan.study_plan_approved,
    "exam-booked": exams.exam_booked,
    "exam-booking-cancelled": exams.exam_booking_cancelled,
    "exam-graded": exams.exam_graded,
    "grade-refused": exams.grade_refused,
    "exam-annulled": exams.exam_annulled,
    "withdrawal-requested": withdrawal.withdrawal_requested,
    "renounced": withdrawal.renounced,
    "diploma-supplement-issued": withdrawal.diploma_supplement_issued,
    "suspended": career.suspended,
    "resumed": career.resumed,
    "transferred-in": career.transferred_in,
    "transferred-out": career.transferred_out,
    "forfeited": career.forfeited,
}
"""What a fact changes in a career."""

ABOUT_THE_PERSON: dict[str, Callable[[Person, Event], None]] = {
    "ticket-opened": tickets.opened,
    "ticket-closed": tickets.closed,
}

_CHANGES_NOTHING = frozenset({"person-registered", "event-voided"})

TAKES_EFFECT = career.takes_effect
"""Whether a fact changes a career that may have ended."""

QUIET = frozenset({"exam-booked", "exam-booking-cancelled", "exam-graded", "study-plan-approved", "degree-candidacy-declared"})
"""Facts after which no charge, block or term of the career can be another; a result says itself what it touches."""


# Days and money

DEADLINES = (reservation.LAPSES, entry.EXCLUDES, withdrawal.LAPSES)
"""Last days of a career, in the order in which the first that is over is taken."""

DAYS_OF_A_CHARGE: tuple[Callable[[Charge, date, date | None, RuleBook], Iterable[date]], ...] = (
    lateness.days_of_a_charge, blocks.days_of_a_charge)
"""Given what is owed, one of its due dates and its plan's last date: the days on which an answer changes, beside the one on which it
becomes overdue. They depend on the charge's year, kind and these dates alone (and are remembered by them)."""

DAYS_OF_A_CAREER: tuple[Callable[[Career, Sequence[Charge], LawBooks], Iterable[date]], ...] = (
    lateness.days_of_an_enrolment, blocks.days_of_the_books)
"""Given the charges that are owed: further days on which an answer changes."""

ANNULMENTS = (*reservation.ANNULMENTS, *degree.ANNULMENTS)


# Acts

PREDICATES: dict[str, tuple[Predicate, ...]] = {
    "preenrolled": (career.career_goes_on, enrolment.is_not_enrolled_yet, entry.at_most_two_masters_a_year,
        entry.preenrolment_window_is_open, entry.selection_is_open, entry.visa_applicant_is_in_time,
        entry.applies_again_only_if_not_admitted),
    "enrolled": (career.career_goes_on, enrolment.is_not_enrolled_yet, entry.is_preenrolled, entry.is_prepared,
        entry.enrols_in_time, recognition.may_enrol_before_the_council, regime.part_time_has_a_listed_category),
    "enrolled-with-reservation": (career.career_goes_on, reservation.reservation_is_for_masters,
        enrolment.is_not_enrolled_yet, entry.is_preenrolled, entry.is_prepared, entry.enrols_in_time,
        recognition.may_enrol_before_the_council, reservation.little_is_missing,
        reservation.waits_for_single_courses_of_their_year, reservation.reservation_term_is_ahead,
        regime.part_time_has_a_listed_category),
    "reservation-lifted": (career.career_goes_on, reservation.reservation_is_met_in_time),
    "enrolment-renewed": (career.career_goes_on, enrolment.renews_a_later_year),
    "degree-candidacy-declared": (career.career_goes_on, blocks.no_administrative_block, career.has_been_enrolled,
        regime.part_time_years_are_complete),
    "graduated": (career.career_goes_on, career.has_been_enrolled, degree.is_enrolled_for_the_degree,
        reservation.is_not_under_reservation, blocks.fees_are_paid_for_the_degree,
        regime.part_time_years_are_complete),
    "regime-changed": (career.career_goes_on, blocks.no_administrative_block, regime.part_time_has_a_listed_category,
        regime.part_time_is_within_the_course, regime.regime_really_changes, regime.regime_changes_in_its_window,
        regime.regime_changes_once),
    "suspended": (career.career_goes_on, blocks.no_administrative_block, career.is_enrolled_now,
        recognition.first_year_stays),
    "resumed": (career.career_goes_on, career.is_suspended, blocks.has_no_debts_to_resume),
    "programme-changed": (career.career_goes_on, blocks.no_administrative_block,
        recognition.left_career_is_past_its_first_year, recognition.left_career_is_renewed),
    "transferred-in": (career.career_goes_on, career.does_not_arrive_twice),
    "transferred-out": (career.career_goes_on, blocks.no_administrative_block, career.has_been_enrolled,
        recognition.first_year_stays),
    "recognition-requested": (career.career_goes_on, blocks.no_administrative_block,
        recognition.is_preenrolled_before_asking, recognition.has_accepted_the_place,
        recognition.is_ranked_before_asking, recognition.is_not_too_early, recognition.is_not_too_late,
        recognition.asks_after_the_first_year, recognition.names_the_career_it_leaves),
    "cfu-recognised": (career.career_goes_on, recognition.recognition_fee_is_paid,
        recognition.year_follows_from_the_cfu),
    "single-courses-enrolled": (career.career_goes_on, blocks.no_administrative_block,
        single_courses.application_window_is_open, single_courses.cfu_are_within_the_limit,
        single_courses.applies_once, single_courses.is_compatible_with_her_careers),
    "instalment-plan-agreed": (career.career_goes_on, plans.plan_may_be_agreed),
    "study-plan-submitted": (career.career_goes_on, blocks.no_administrative_block,
        study_plan.plan_window_has_opened),
    "exam-booked": (reservation.is_free_of_reservation, blocks.instalments_are_paid, blocks.career_is_not_blocked,
        exams.is_enrolled_for_the_call, withdrawal.has_not_filed_a_withdrawal, exams.course_is_in_the_plan,
        exams.attendance_is_matured, exams.semester_fits_the_session, exams.exam_is_not_passed,
        exams.prerequisites_are_met, exams.booking_has_not_closed, exams.booking_has_opened,
        exams.call_is_not_booked_already, single_courses.single_course_is_paid,
        single_courses.single_course_is_still_valid, single_courses.first_degree_is_conferred,
        recognition.no_change_of_programme_is_asked_for),
    "grade-refused": (career.career_goes_on, exams.grade_can_be_refused),
    "withdrawal-requested": (career.career_goes_on, withdrawal.has_filed_an_enrolment,
        withdrawal.has_not_withdrawn_already, withdrawal.has_no_debts_to_withdraw),
    "renounced": (career.career_goes_on, withdrawal.withdrawal_is_perfected, withdrawal.everything_is_settled),
}
"""What must hold for an act."""

SITTING: tuple[Predicate, ...] = (
    reservation.is_free_of_reservation, exams.course_is_in_the_plan, exams.attendance_is_matured, exams.semester_fits_the_session,
    exams.exam_is_not_passed, exams.prerequisites_are_met, single_courses.single_course_is_paid,
    single_courses.single_course_is_still_valid, single_courses.first_degree_is_conferred)
"""What an exam that was sat must satisfy, else it is to be annulled (ESA-7)."""


Misfits = Callable[[Person, Career, Event, RuleBook | None, LawBooks], Iterable[Reason]]

MISFITS: dict[str, tuple[Misfits, ...]] = {
    "": (career.after_the_end,),
    "diploma-supplement-issued": (withdrawal.supplement_without_degree,),
    "isee-certified": (isee.attestation_of_no_use,),
    "study-plan-approved": (study_plan.extra_exams_after_the_term,),
    "reservation-declined": (reservation.declined_too_late,),
    "payment-refunded": (refunds.refund_without_right,),
    "payment-moved": (refunds.move_without_right,),
    "ticket-opened": (tickets.out_of_order,),
    "ticket-closed": (tickets.out_of_order,),
}
"""What does not fit the rules although it is stored as a fact, by type (under "" of every type): the audit reports it."""


def gaps() -> list[str]:
    """Types of facts without a handler, acts without predicates, and the other way round."""
    told = {*HANDLERS, *ABOUT_THE_PERSON, *_CHANGES_NOTHING}
    return sorted((told ^ PAYLOADS.keys()) | (ABOUT_THE_PERSON.keys() - OF_THE_PERSON) | (PREDICATES.keys() ^ ACTS))


if gaps():
    raise RuntimeError(f"the catalogue of the law does not fit the published language: {', '.join(gaps())}")
