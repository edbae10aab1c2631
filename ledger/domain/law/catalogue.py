"""What the chapters offer, on one page: which fact, day, charge and act asks which of them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from ..books import LawBooks
from ..case import Predicate
from ..events import ABOUT_THE_PERSON as OF_THE_PERSON
from ..events import ACTS, PAYLOADS, Event
from ..state import Career, Charge, Person
from . import (
    blocks,
    career,
    contribution,
    degree,
    enrolment,
    entry,
    exams,
    forfeiture,
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
    suspension,
    tickets,
    withdrawal,
)
from .chapter import Lookout, Misfit, OfACharge, Questions, elsewhere, here

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
    "suspended": suspension.suspended,
    "resumed": suspension.resumed,
    "transferred-in": career.transferred_in,
    "transferred-out": career.transferred_out,
    "forfeited": forfeiture.forfeited,
}
"""What a fact changes in a career."""

ABOUT_THE_PERSON: dict[str, Callable[[Person, Event], None]] = {
    "ticket-opened": tickets.opened,
    "ticket-closed": tickets.closed,
}

_CHANGES_NOTHING = frozenset({"person-registered", "person-forgotten", "event-voided", "ticket-linked"})

TAKES_EFFECT = career.takes_effect
"""Whether a fact changes a career that may have ended."""

BY_DEROGATION = career.goes_on_by_derogation
"""What a derogation settles of what cannot be told."""

QUIET = frozenset({"exam-booked", "exam-booking-cancelled", "exam-graded", "study-plan-approved",
                   "study-plan-submitted", "isee-certified"})
"""Facts after which no charge, block or term of the career can be another, but for a charge that they raise themselves;
a result says itself what it touches."""


# Days and money

DEADLINES = (reservation.LAPSES, entry.EXCLUDES, withdrawal.LAPSES)
"""Last days of a career, in the order in which the first that is over is taken."""
DEADLINES_AFTER_THE_END = (withdrawal.LAPSES,)
"""Those that go on in a career that has ended: its withdrawal is perfected or lapses as any other (RIN-3)."""

DAYS_OF_A_CHARGE: tuple[OfACharge, ...] = (
    lateness.days_of_a_charge, blocks.day_of_the_booking_block, blocks.day_of_the_administrative_block)
"""Given what is owed, one of its due dates and its plan's last date: the days on which an answer changes, beside the
one on which it becomes overdue. They depend on the charge's year, kind and these dates alone (and are remembered by
them)."""

DAYS_OF_A_CAREER: tuple[Callable[[Career, Sequence[Charge], LawBooks], Iterable[date]], ...] = (
    lateness.days_of_an_enrolment, blocks.days_of_the_books, degree.days_of_a_candidate)
"""Given the charges that are owed: further days on which an answer changes."""

ON_NEW_LAW: tuple[Callable[[Career, date, LawBooks, LawBooks], None], ...] = (
    reservation.term_moves, enrolment.terms_move, contribution.due_dates_move)
"""What moves with the law on a day on which an amendment begins to hold, given the law before and after: the days that
a career keeps. What an act decided (prices, windows, terms of so many days) stays."""

ANNULMENTS = (*reservation.ANNULMENTS, *degree.ANNULMENTS, *entry.ANNULMENTS)


# Acts

PREDICATES: dict[str, Questions[Predicate]] = {
    "preenrolled": Questions(
        here(career.career_goes_on, "END"),
        here(enrolment.is_not_enrolled_yet, "SEQ"),
        here(entry.at_most_two_masters_a_year, "PRE-1"),
        here(entry.preenrolment_window_is_open, "PRE-2"),
        here(entry.window_for_foreign_titles_is_open, "PRE-6"),
        here(entry.visa_applicant_is_in_time, "PRE-7"),
        here(entry.selection_is_open, "PRE-3"),
        here(entry.applies_again_only_if_not_admitted, "PRE-4"),
    ),
    "enrolled": Questions(
        here(career.career_goes_on, "END"),
        here(enrolment.is_not_enrolled_yet, "SEQ"),
        here(entry.has_applied_in_a_window, "PRE-2"),
        here(entry.has_applied_in_a_selection, "PRE-3"),
        here(entry.is_prepared, "PREP"),
        here(entry.is_not_excluded, "MOR-6"),
        here(entry.enrolment_has_opened, "PRE-2"),
        here(entry.enrolment_is_still_possible, "PRE-5"),
        here(recognition.may_enrol_before_the_council, "RIC-8"),
        here(regime.part_time_has_a_listed_category, "PT-1"),
    ),
    "enrolled-with-reservation": Questions(
        here(career.career_goes_on, "END"),
        here(reservation.reservation_is_for_masters, "RIS-1"),
        here(enrolment.is_not_enrolled_yet, "SEQ"),
        here(entry.has_applied_in_a_window, "PRE-2"),
        here(entry.has_applied_in_a_selection, "PRE-3"),
        here(entry.is_prepared, "PREP"),
        here(entry.is_not_excluded, "MOR-6"),
        here(entry.enrolment_has_opened, "PRE-2"),
        here(entry.enrolment_is_still_possible, "PRE-5"),
        here(recognition.may_enrol_before_the_council, "RIC-8"),
        here(reservation.little_is_missing, "RIS-2"),
        here(reservation.few_single_courses_are_missing, "RIS-3"),
        here(reservation.waits_for_single_courses_of_their_year, "RIS-3"),
        here(reservation.degree_can_still_come, "RIS-1"),
        here(reservation.single_courses_can_still_be_passed, "RIS-3"),
        here(regime.part_time_has_a_listed_category, "PT-1"),
    ),
    "reservation-lifted": Questions(
        here(career.career_goes_on, "END"),
        here(reservation.reservation_is_met_in_time, "RIS-6"),
    ),
    "enrolment-renewed": Questions(
        here(career.career_goes_on, "END"),
        here(enrolment.renews_a_later_year, "SEQ"),
        here(enrolment.renewal_has_opened, "RNW-1"),
        here(suspension.interruption_is_known, "INT-1"),
        elsewhere(suspension.returns_to_the_next_year, "SOS-5"),
        here(regime.adapted_time_is_known, "PT-6"),
    ),
    "degree-candidacy-declared": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block, "BLK-3"),
        here(career.has_been_enrolled, "SEQ"),
        here(regime.part_time_years_are_complete, "PT-7"),
    ),
    "graduated": Questions(
        here(career.career_goes_on, "END"),
        here(career.is_enrolled_now, "SEQ"),
        here(withdrawal.has_not_filed_a_withdrawal, "RIN"),
        here(degree.degree_is_of_its_years, "SEQ"),
        here(degree.is_enrolled_for_the_degree, "LAU-4"),
        here(reservation.is_not_under_reservation, "RIS-5"),
        here(degree.fees_are_paid_for_the_degree, "BLK-2"),
        here(regime.part_time_years_are_complete, "PT-7"),
    ),
    "regime-changed": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block, "BLK-3"),
        here(career.has_filed_an_enrolment, "SEQ"),
        here(regime.part_time_has_a_listed_category, "PT-1"),
        here(regime.part_time_is_within_the_course, "PT-1"),
        here(regime.regime_really_changes, "PT-3"),
        here(regime.part_time_is_asked_in_its_window, "PT-2"),
        here(regime.full_time_is_asked_in_time, "PT-5"),
        here(regime.regime_changes_once, "PT-5"),
    ),
    "suspended": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block, "BLK-3"),
        here(career.is_enrolled_now, "SEQ"),
        elsewhere(recognition.first_year_stays, "RIC-7"),
        here(suspension.suspension_is_asked_in_its_window, "SOS-1"),
        here(suspension.suspension_has_a_listed_ground, "SOS-2"),
    ),
    "resumed": Questions(
        here(career.career_goes_on, "END"),
        here(career.is_suspended, "SEQ"),
        here(blocks.has_no_debts_to_resume, "BLK-4"),
        elsewhere(suspension.suspension_lasts_whole_years, "SOS-3"),
    ),
    "programme-changed": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block, "BLK-3"),
        here(career.has_been_enrolled, "SEQ"),
        here(recognition.left_career_is_past_its_first_year, "RIC-6"),
        here(recognition.left_career_is_renewed, "RIC-4"),
    ),
    "transferred-in": Questions(
        here(career.career_goes_on, "END"),
        here(career.does_not_arrive_twice, "SEQ"),
    ),
    "transferred-out": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block, "BLK-3"),
        here(career.has_been_enrolled, "SEQ"),
        elsewhere(recognition.first_year_stays, "RIC-7"),
        here(career.transfer_out_is_asked_in_its_window, "TRO-1"),
    ),
    "recognition-requested": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block, "BLK-3"),
        here(recognition.is_preenrolled_before_asking, "PRE-8"),
        here(recognition.has_accepted_the_place_before_a_transfer, "RIC-9"),
        here(recognition.has_accepted_the_place, "RIC-2"),
        here(recognition.is_ranked_before_asking, "RIC-11"),
        here(recognition.foreign_degrees_are_taken, "RIC-12"),
        here(recognition.requests_for_restricted_masters_are_taken, "RIC-2"),
        here(recognition.requests_for_masters_are_taken, "RIC-14"),
        here(recognition.term_for_open_masters_is_known, "RIC-1"),
        here(recognition.requests_for_first_degrees_are_taken, "RIC-11"),
        here(recognition.re_enrolments_are_taken, "REI-1"),
        here(recognition.visa_applicant_asks_in_time, "PRE-7"),
        here(recognition.foreign_degree_is_in_time, "RIC-12"),
        here(recognition.second_degree_is_in_time, "RIC-11"),
        here(recognition.asks_after_the_first_year, "RIC-6"),
        here(recognition.names_the_career_it_leaves, "RIC-5"),
    ),
    "cfu-recognised": Questions(
        here(career.career_goes_on, "END"),
        here(recognition.recognition_fee_is_paid, "RIC-3"),
        here(recognition.year_follows_from_the_cfu, "ANN-1", "ANN-2", "ANN-3", "ANN-4"),
    ),
    "single-courses-enrolled": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block_of_hers, "BLK-3"),
        here(single_courses.application_window_is_open, "CS-1"),
        here(single_courses.cfu_are_within_the_limit, "CS-2"),
        here(single_courses.applies_once, "CS-3"),
        here(single_courses.is_compatible_with_her_careers, "CS-8"),
    ),
    "instalment-plan-agreed": Questions(
        here(career.career_goes_on, "END"),
        here(plans.plan_may_be_agreed, "RAT-7", "CS-10"),
    ),
    "study-plan-submitted": Questions(
        here(career.career_goes_on, "END"),
        elsewhere(blocks.no_administrative_block, "BLK-3"),
        here(career.has_filed_an_enrolment, "SEQ"),
        here(study_plan.plan_window_has_opened, "PDS-1"),
    ),
    "exam-booked": Questions(
        here(reservation.is_free_of_reservation, "ESA-5"),
        elsewhere(blocks.instalments_are_paid, "BLK-1"),
        elsewhere(blocks.career_is_not_blocked, "BLK-3"),
        here(exams.is_enrolled_for_the_call, "ENR"),
        here(withdrawal.has_not_filed_a_withdrawal, "RIN"),
        here(exams.course_is_in_the_plan, "ESA-1"),
        here(exams.attendance_is_matured, "ESA-1F"),
        here(exams.semester_fits_the_session, "ESA-3"),
        here(exams.exam_is_not_passed, "ESA-4"),
        here(exams.prerequisites_are_met, "ESA-6"),
        here(exams.booking_has_not_closed, "PRN-1"),
        here(exams.booking_has_opened, "PRN-2"),
        here(exams.call_is_not_booked_already, "PRN-D"),
        elsewhere(single_courses.single_course_is_paid, "CS-6"),
        elsewhere(single_courses.single_course_is_still_valid, "CS-11"),
        elsewhere(single_courses.first_degree_is_conferred, "RIS-8"),
        elsewhere(recognition.no_change_of_programme_is_asked_for, "RIC-5"),
    ),
    "grade-refused": Questions(
        here(career.career_goes_on, "END"),
        here(exams.written_grade_can_be_refused, "VRB-1"),
        here(exams.grade_is_not_oral, "VRB-2"),
    ),
    "withdrawal-requested": Questions(
        here(career.career_goes_on, "END"),
        here(withdrawal.has_filed_an_enrolment, "SEQ"),
        here(withdrawal.has_not_withdrawn_already, "SEQ"),
        here(withdrawal.has_no_debts_to_withdraw, "RIN-4"),
    ),
    "renounced": Questions(
        here(career.career_goes_on, "END"),
        here(withdrawal.withdrawal_is_filed, "RIN-1"),
        here(withdrawal.withdrawal_is_perfected, "RIN-3"),
        here(withdrawal.everything_is_settled, "RIN-5"),
    ),
}
"""What must hold for an act, and the rule that says so: it is asked only where the book of the act's year has the rule
(`here`), or by the predicate itself where the book of another year says so, that of a debt, a first enrolment or an
application (`elsewhere`)."""

WINDOWS = {"suspended": suspension.WINDOW, "transferred-out": career.LEAVING}
"""Acts without an academic year that have a window of their own, and the rule that gives it."""

SITTING: Questions[Predicate] = Questions(
    here(reservation.is_free_of_reservation, "ESA-5"),
    here(exams.course_is_in_the_plan, "ESA-1"),
    here(exams.attendance_is_matured, "ESA-1F"),
    here(exams.semester_fits_the_session, "ESA-3"),
    here(exams.exam_is_not_passed, "ESA-4"),
    here(exams.prerequisites_are_met, "ESA-6"),
    elsewhere(single_courses.single_course_is_paid, "CS-6"),
    elsewhere(single_courses.single_course_is_still_valid, "CS-11"),
    elsewhere(single_courses.first_degree_is_conferred, "RIS-8"),
)
"""What an exam that was sat must satisfy, else it is to be annulled (ESA-7)."""

MISFITS: dict[str, tuple[Misfit, ...]] = {
    "forfeited": (forfeiture.forfeited_early,),
    "diploma-supplement-issued": (withdrawal.supplement_without_degree,),
    "isee-certified": (isee.attestation_of_no_use, isee.attestation_too_late),
    "contribution-assessed": (isee.lowered_by_a_late_attestation,),
    "administrative-block-ordered": (blocks.ordered_without_ground,),
    "administrative-block-revoked": (blocks.revoked_while_unpaid,),
    "exam-booking-cancelled": (exams.cancelled_late,),
    "exam-annulled": (exams.annulled_nothing,),
    "study-plan-approved": (study_plan.extra_exams_after_the_term,),
    "reservation-declined": (reservation.declined_too_late,),
    "payment-refunded": (refunds.refund_without_right,),
    "payment-moved": (refunds.move_without_right,),
    "ticket-opened": (tickets.out_of_order,),
    "ticket-closed": (tickets.out_of_order,),
}
"""What does not fit the rules although it is stored as a fact, by its type: the audit reports it."""

MISFITS_AFTER_THE_END: tuple[Misfit, ...] = (career.after_the_end,)
"""The same of every fact of a career that has ended."""

LOOKOUTS: Questions[Lookout] = Questions(
    elsewhere(payments.decided_otherwise),
    elsewhere(payments.left_undecided),
    elsewhere(contribution.not_assessed),
    elsewhere(refunds.refund_is_late),
    elsewhere(entry.enrolled_without_paying_to_apply),
    elsewhere(degree.graduated_without_paying_to_apply),
    elsewhere(single_courses.not_paid_in_time),
    elsewhere(study_plan.plan_is_missing),
    elsewhere(blocks.block_is_not_ordered),
)
"""What a career leaves open on a day that the rules ask for, or has that they do not ask for: the audit reports it."""

SAT_IN_ITS_YEAR: Questions[Predicate] = Questions(here(exams.is_enrolled_for_the_call, "ENR"))
SAT_AS_WELL: Questions[Predicate] = Questions(
    elsewhere(recognition.no_change_of_programme_is_asked_for, "RIC-5"),
)
"""What an exam that was sat breaks without being annulled; the former where its year is known."""


def gaps() -> list[str]:
    """Types of facts without a handler, acts without predicates, and the other way round."""
    told = {*HANDLERS, *ABOUT_THE_PERSON, *_CHANGES_NOTHING}
    return sorted((told ^ PAYLOADS.keys()) | (ABOUT_THE_PERSON.keys() - OF_THE_PERSON) | (PREDICATES.keys() ^ ACTS))


if gaps():
    raise RuntimeError(f"the catalogue of the law does not fit the published language: {', '.join(gaps())}")
