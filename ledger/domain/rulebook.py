"""The shape of the law: one `RuleBook` per academic year, read from `ledger/rulebooks/*.yaml`.

A rule that a year does not have is absent from its file, or denied in it, and `None` here, so that code asks
`if book.BLK_1 is None`. A rule or a value that nobody has read is marked `unknown`: whoever reads it raises
`UnknownValue`, so that nothing is decided on it and nothing that does not depend on it is held up.
Every entry carries its source (document and heading), what it says in our own words and, where it is a reading of ours,
the entry of the register of interpretations. Values are dates, euro, days, CFU: never a formula.
"""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from typing import Annotated, Any, Literal, Self

import msgspec

from .checked import Checked, Narrowed, as_json, lacking, names
from .form import wrong
from .values import Amount, Day, RecognitionKind, Text, Year

MOST_INSTALMENTS = 6
"""Of a yearly contribution. Each has a name in every language (`ledger/words`, `consumers/treasury/reference.py`)."""
INSTALMENTS = tuple(f"instalment-{number}" for number in range(1, MOST_INSTALMENTS + 1))
"""The kinds of charge, in the order in which a year asks for them; a book says how many it has (RAT-3, RAT-4)."""

SHARES = frozenset({"share", "disability", "detention"})
"""Values that are shares of a sum; all other decimals are euro."""

class UnknownValue(Exception):
    """An answer depends on what a year's book marks as unknown: `missing` says what was looked for."""

    def __init__(self, rule: str, year: str, missing: str) -> None:
        super().__init__(rule, year, missing)
        self.rule, self.year, self.missing = rule, year, missing
        self.after: date | None = None
        """The day up to which it does not matter, where that is known."""

    def __str__(self) -> str:
        return f"{self.rule} of {self.year} is unknown: {self.missing}"

    def again(self) -> "UnknownValue":
        """To be raised: one that was raised before would carry its traceback along."""
        made = UnknownValue(self.rule, self.year, self.missing)
        made.after = self.after
        return made

class Rule(Checked):
    """A rule with its source: a document of the book's list and a heading. `interpretation` names the register entry
    that this reading rests on. `unknown` names values that the entry does not state, each with what was looked for:
    it is of a kind that does not ask for them, and reading one raises `UnknownValue`."""

    document: Text
    heading: Text
    says: Text
    interpretation: Text | None = None
    unknown: dict[Text, Text] = msgspec.field(default_factory=dict)

    @classmethod
    def instead(cls, data: Any) -> type[Checked]:
        unknown = data.get("unknown") if isinstance(data, dict) else None
        if not isinstance(unknown, dict) or "_lacks" in cls.__struct_fields__:
            return cls
        own = [one for one in names(cls) if one not in names(Rule)]
        for name in unknown:
            if name not in own:
                raise wrong("form/no-value-of-the-rule", text=str(name), categories=own)
            if name in data:
                raise wrong("form/stated-and-unknown", text=name)
        return without(cls, frozenset(unknown))

    def values(self) -> dict[str, Any]:
        """What it states beside its words."""
        return {name: value for name, value in self.given().items() if name not in names(Rule)}

    def shown(self) -> dict[str, Any]:
        """The same as JSON: euro as text, days as YYYY-MM-DD."""
        found: dict[str, Any] = {name: as_json(value, Checked.given) for name, value in self.values().items()}
        return found

def without(kind: type[Checked], fields: frozenset[str]) -> type[Any]:
    """A kind of entry, or of law, that lacks what is unknown."""
    return lacking(kind, fields, _raise_unknown)

def _raise_unknown(one: Any, field: str) -> Any:
    raise UnknownValue(*lacks(one)[field])

class Unknown(Checked):
    """A rule of which nothing was seen: what was looked for, and where it was cut off."""

    unknown: Text

class Denied(Checked):
    """A rule that the year is known not to have: what its guide says instead."""

    denied: Text
    document: Text
    heading: Text

Days = Annotated[int, Narrowed(strict=True, ge=0, le=3660)]
Share = Annotated[Decimal, Narrowed(ge=0, le=1)]

class Price(Rule):
    amount: Amount

class LateInstance(Price):
    """`transfer_out_until`: the last day to leave for another university, where an institution sets one (AMB-49).
    `requests`: a late request for recognition costs it as a late enrolment does (AMB-55)."""
    transfer_out_until: Day | None = None
    requests: bool = True

class StampedPrice(Rule):
    """`stamp` is the part of `amount` that is never refunded."""
    amount: Amount
    stamp: Amount

class DuePrice(Rule):
    amount: Amount
    due_on: Day

class AfterDays(Rule):
    days: Days

class AdministrativeBlock(Rule):
    """Either `deadline` (unpaid after that day) or `days` (unpaid so many days after the due date)."""
    deadline: Day | None = None
    days: Days | None = None

class PerfectedByPayment(Rule):
    """`first_enrolments`: whether the payment perfects them too, beside renewals."""
    first_enrolments: bool = True

class FirstInstalment(Rule):
    due_on: Day
    at_most: Amount

class FurtherInstalment(Checked):
    due_on: Day
    share: Share = Decimal(1)

class SecondInstalment(Rule):
    """What the first instalment leaves: all of it on `due_on`, or its `share` there and the rest on the days of
    `further`, each with its own share of what the first leaves; the last one takes what is left."""
    due_on: Day
    share: Share = Decimal(1)
    further: Annotated[tuple[FurtherInstalment, ...], Narrowed(max_length=MOST_INSTALMENTS - 2)] = ()

class UpTo(Rule):
    up_to: Amount

class Below(Rule):
    below: Amount
    remits: Literal["the-total", "any-payment"]

class Over(Rule):
    """Second instalments over an amount, or of that very amount too (`included`); `until`: the last day to ask (AMB-53,
    AMB-54)."""
    over: Amount
    included: bool = False
    until: Day | None = None

class ShareOf(Rule):
    share: Share

class Tier(Checked):
    """`through` is the last day after the due date to which the amount applies; None for the last tier."""
    through: Days | None
    amount: Amount

class Tiers(Rule):
    tiers: tuple[Tier, ...]

class Term(Rule):
    until: Day

class DegreeTerm(Rule):
    """`until`: the last day of a reservation. An officer decides whether a degree still comes in time (AMB-52) where it
    comes after `sure_until` (none: `until`), and up to `officer_until` (none: `until`), then after the lapse."""
    until: Day
    sure_until: Day | None = None
    officer_until: Day | None = None

class LateIsee(Rule):
    until: Day
    amount: Amount

class LastBand(Rule):
    """`handed_in_until`: the last day on which the student can hand one in, whenever it was issued."""

    handed_in_until: Day | None = None

class IssuedFrom(Rule):
    issued_from: Day

class AtMost(Rule):
    at_most: Days

class PreenrolmentWindow(Checked):
    """Pre-enrolment from..until leads to enrolment between enrol_from and enrol_until; `late` always costs the late
    instance."""
    first: Day
    last: Day
    enrol_from: Day
    enrol_until: Day
    late: bool = False

class PreenrolmentWindows(Rule):
    windows: tuple[PreenrolmentWindow, ...]

class Period(Checked):
    first: Day
    last: Day

class ForeignWindows(Rule):
    windows: tuple[Period, ...]

class Selection(Checked):
    """One selection of a programme with restricted access."""
    first: Day
    last: Day
    enrol_by: Day
    scroll_enrol_by: Day

class Selections(Rule):
    selections: tuple[Selection, ...]

class EnrolmentTerm(Rule):
    """`late_from`: the first day of the late enrolments, where it is not the one after `until`."""
    until: Day
    late_from: Day | None = None
    late_until: Day

class VisaTerms(Rule):
    """The last day to apply for a master's of open or restricted access; `first_degrees_until`: for any other
    programme, and for the recognition of a foreign degree (None: the year gives none)."""
    open_until: Day
    restricted_until: Day
    first_degrees_until: Day | None = None

class Categories(Rule):
    """The categories of people who may study part-time, each with other spellings that name it. None: any may be
    named."""
    categories: dict[Text, tuple[Text, ...]] | None = None

    def names(self, category: str) -> bool:
        wanted = category.strip().casefold()
        return self.categories is None or any(wanted == one.casefold() for name, also in self.categories.items()
                                              for one in (name, *also))

class MissingAtMost(Rule):
    exams: Days
    cfu: Days

class SingleCoursesPending(Rule):
    """`courses_of`: the academic year whose single courses are meant (None: any)."""
    cfu: Days
    until: Day
    courses_of: Year | None = None

class NoRenewalNeeded(Rule):
    """Graduates of `degree_year` owe nothing for the year after it."""
    degree_year: Year

class RefundDates(Rule):
    """Degrees of `degree_year` refund the enrolment fee of the year after it; `by` gives the day per session."""
    degree_year: Year
    by: dict[Literal["autumn", "winter", "extraordinary"], Day]

class Window(Rule):
    first: Day
    last: Day

class MaxCfu(Rule):
    cfu: Days

class PerCfu(Rule):
    per_cfu: Amount
    stamp: Amount

class WorkingDays(Rule):
    """None: paid at all is enough (2019-20)."""
    working_days: Days | None

class Compatibility(Rule):
    enrolled: Literal["outside-own-plan", "never", "allowed"]

class Reductions(Rule):
    shares: dict[Literal["disability", "detention"], Share]

class Validity(Rule):
    until: Day
    reserved_until: Day

class RegimeWindow(Rule):
    """`year`: the year of course from which on part-time is passed to (None: any after the first)."""
    first: Day
    last: Day
    ofa: bool
    year: int | None = None

class AdaptedTime(Rule):
    """`at_renewal`: the renewal beyond the course, after the adapted time, is one at full time without a request; it
    uses up no change."""
    at_renewal: bool = False

class LeavingWindow(Window):
    """`late_until`: the last day of a late request, which costs the late instance (None: it has none)."""
    late_until: Day | None = None

class AcademicYears(Rule):
    years: Annotated[int, Narrowed(strict=True, ge=1, le=30)]

class YearlyFee(Rule):
    """Euro for each academic year; `later` is asked from the year with the number `later_from` on (1 is the first)."""
    amount: Amount
    later: Amount | None = None
    later_from: Annotated[int, Narrowed(strict=True, ge=2, le=30)] | None = None

class WithoutExams(AcademicYears):
    """So many academic years in a row without an exam passed. `suspended`: whether years of suspension are among
    them."""
    suspended: Literal["count", "do-not-count"]

class FirstYear(Rule):
    """What may not be done in the year of first enrolment. `course_types`: by whom (None: as AMB-37 reads it)."""
    course_types: tuple[Literal["bachelor", "master", "single-cycle"], ...] | None = None

class LastYears(Rule):
    last_year: dict[Literal["bachelor", "master", "single-cycle"], int]

class LateRequest(Checked):
    """A pre-enrolment up to `preenrolled_until` moves the term of the request to `until`."""
    preenrolled_until: Day
    until: Day

class RequestTerms(Rule):
    """`kinds`: of which requests (None: of all); those of others are filed until `others_until`."""
    until: Day
    late: tuple[LateRequest, ...] = ()
    kinds: tuple[RecognitionKind, ...] | None = None
    others_until: Day | None = None

class RestrictedRequestTerms(Rule):
    first: Day
    until: Day
    second_until: Day
    second_scroll_until: Day

class StartsOn(Rule):
    first: Day

class BeforeTheCouncil(Rule):
    """Who asked for a recognition of one of these kinds enrols before the council's decision from `first` on."""
    first: Day
    kinds: tuple[RecognitionKind, ...]

class RequestWindow(Rule):
    """`late_until`: a late request costs the late instance up to that day. `late` without it: late requests have no
    end.
    `classes` gives another term to degree classes."""
    first: Day
    until: Day
    late: bool
    late_until: Day | None = None
    classes: dict[str, Day] = msgspec.field(default_factory=dict)

class AdmissionStep(Checked):
    """Up to `through` CFU (inclusive; None: no limit) the year of admission is `year`."""
    through: Days | None
    year: int

class Admission(Rule):
    steps: tuple[AdmissionStep, ...]

class PlanWindows(Rule):
    first_year_master: Period
    others: Period

class Stamp(Rule):
    """`days`: so many days after it is filed the withdrawal lapses; `within`: those in which the stamp is to be paid,
    where that is not the same."""
    days: Days
    amount: Amount
    within: Days | None = None

class WithdrawalTerm(Rule):
    """Filed up to `until`. `exams` says where a passed exam counts: in the January-February session or in the year.
    `further`: the last days to withdraw from the third instalment, from the fourth and so on (RIN-10); those without a
    day of their own go with the one before."""
    until: Day
    further: Annotated[tuple[Day, ...], Narrowed(max_length=MOST_INSTALMENTS - 2)] = ()
    exams: Literal["session", "year"]

class Postage(Rule):
    amounts: dict[Literal["italy", "eu", "other"], Amount]

class SingleCourseRefund(Rule):
    """`after_scroll`: refunded or set off where an enrolment through the scroll of a ranking followed."""
    after_scroll: bool


class Exchange(Rule):
    """`free`: exchange students under agreements pay nothing."""
    free: bool = True


class OneApplication(Rule):
    """One application a year per person, or only no additions to a career's application."""
    one_per: Literal["person", "career"]


class FreeAfterReservation(Rule):
    """For whom single courses of the same year are free after a failed reservation: graduates of this university, or
    whoever failed one. Their exams wait for the first degree in both cases."""
    free_for: Literal["own-graduates", "every-failed-reservation"]


class Choice(Checked):
    """An entry of the register of interpretations: the question, what was decided, and the other readings that the code
    knows."""

    question: Text
    decided: Text

class _AmbOne(Choice):
    decision: Literal["section-8", "section-10"]

class _YesNo(Choice):
    decision: Literal["no", "yes"]

class _FinalExam(Choice):
    decision: Literal["every-overdue-charge", "instalments-only"]

class _FailedReservation(Choice):
    decision: Literal["nothing-due", "stamp-due"]

class _FirstYear(Choice):
    decision: Literal["that-year", "whole-career"]

class _Act(Choice):
    decision: Literal["without-an-act", "by-an-act"]

class _LaterAssessment(Choice):
    """`days`: after the last instalment's date, how long after the assessment what it adds is due."""
    decision: Literal["as-guide", "first-due-dates"]
    days: Days

class _DecidedCharge(Choice):
    decision: Literal["survives", "replaced"]

class _AsDecided(Choice):
    """A reading with one implementation: the register names it so that answers can cite it."""
    decision: Literal["as-decided"] = "as-decided"

@cache
def _dashed(field: str) -> str:
    return field.replace("_", "-")

class Interpretations(Checked, rename=_dashed):
    """The register (sections 15 and 17 of rules.md): named, switchable per institution, shown in every answer that
    rests on it."""

    AMB_1: _AmbOne
    AMB_2: _AsDecided
    AMB_3: _AsDecided
    AMB_4: _YesNo
    AMB_5: _FinalExam
    AMB_6: _AsDecided
    AMB_7: _AsDecided
    AMB_8: _AsDecided
    AMB_9: _AsDecided
    AMB_10: _AsDecided
    AMB_11: _AsDecided
    AMB_12: _FailedReservation
    AMB_13: _FirstYear
    AMB_14: _AsDecided
    AMB_15: _AsDecided
    AMB_16: _AsDecided
    AMB_17: _AsDecided
    AMB_18: _AsDecided
    AMB_19: _AsDecided
    AMB_20: _AsDecided
    AMB_21: _AsDecided
    AMB_22: _AsDecided
    AMB_23: _AsDecided
    AMB_24: _AsDecided
    AMB_25: _AsDecided
    AMB_26: _AsDecided
    AMB_27: _AsDecided
    AMB_28: _AsDecided
    AMB_29: _AsDecided
    AMB_30: _AsDecided
    AMB_31: _AsDecided
    AMB_32: _Act
    AMB_33: _AsDecided
    AMB_34: _AsDecided
    AMB_35: _AsDecided
    AMB_36: _AsDecided
    AMB_37: _AsDecided
    AMB_38: _AsDecided
    AMB_39: _AsDecided
    AMB_40: _AsDecided
    AMB_41: _AsDecided
    AMB_42: _AsDecided
    AMB_43: _AsDecided
    AMB_44: _AsDecided
    AMB_45: _AsDecided
    AMB_46: _LaterAssessment
    AMB_47: _DecidedCharge
    AMB_48: _AsDecided
    AMB_49: _AsDecided
    AMB_50: _AsDecided
    AMB_51: _AsDecided
    AMB_52: _AsDecided
    AMB_53: _AsDecided
    AMB_54: _AsDecided
    AMB_55: _AsDecided
    AMB_56: _AsDecided
    AMB_57: _AsDecided
    AMB_58: _AsDecided

class Register(Checked):
    """What a folder of rule books decides for all its years."""

    interpretations: Interpretations

@lru_cache(maxsize=1024)
def is_register_entry(rule: str) -> bool:
    return rule.replace("-", "_") in names(Interpretations)

class Law(Checked, rename=_dashed, dict=True):
    """The rules of one academic year, by their id in rules.md (`BLK-1` is `BLK_1`). None: the year does not have the
    rule. One that is unknown is lacking: reading it raises `UnknownValue`."""

    @cached_property
    def stated_by_field(self) -> dict[str, Any]:
        """What the year has. Not to be changed."""
        return {field: rule for field, rule in self.held().items() if rule is not None}

    @cached_property
    def stated(self) -> dict[str, Any]:
        """The same by id."""
        return {_dashed(field): rule for field, rule in self.stated_by_field.items()}

    def having(self, **rules: "Rule | None") -> "Law":
        """The same with other rules, by field."""
        return _law(self.held() | rules, {field: why for field, why in lacks(self).items() if field not in rules})

    def marked(self, unknown: Mapping[str, tuple[str, str, str]]) -> "Law":
        """The same without what is unknown: by field what to raise."""
        return _law(self.held(), {**lacks(self), **unknown})

    BLK_1: AfterDays | None = None
    BLK_2: Rule | None = None
    BLK_3: AdministrativeBlock | None = None
    BLK_4: Rule | None = None
    BLK_5: Rule | None = None
    CHG_1: Price | None = None
    CHG_2: StampedPrice | None = None
    CHG_3: DuePrice | None = None
    CHG_9: Price | None = None
    CHG_10: Price | None = None
    CHG_11: Price | None = None
    CHG_12: Price | None = None
    CHG_14: Rule | None = None
    CHG_16: Postage | None = None
    MOR_1: Tiers | None = None
    MOR_2: Rule | None = None
    MOR_3: Rule | None = None
    MOR_4: Rule | None = None
    MOR_5: LateInstance | None = None
    MOR_5a: Rule | None = None
    MOR_5b: Rule | None = None
    MOR_5c: Rule | None = None
    MOR_5d: Rule | None = None
    MOR_6: Rule | None = None
    RAT_2: PerfectedByPayment | None = None
    RAT_3: FirstInstalment | None = None
    RAT_4: SecondInstalment | None = None
    RAT_5: UpTo | None = None
    RAT_6: Below | None = None
    RAT_7: Over | None = None
    RAT_9: ShareOf | None = None
    RAT_10: Rule | None = None
    ISE_1: Term | None = None
    ISE_2: LateIsee | None = None
    ISE_3: LastBand | None = None
    ISE_4: Rule | None = None
    ISE_5: IssuedFrom | None = None
    ISE_6: Rule | None = None
    PRE_1: AtMost | None = None
    PRE_2: PreenrolmentWindows | None = None
    PRE_3: Selections | None = None
    PRE_4: Rule | None = None
    PRE_5: EnrolmentTerm | None = None
    PRE_6: ForeignWindows | None = None
    PRE_7: VisaTerms | None = None
    PRE_8: Rule | None = None
    PRE_10: Rule | None = None
    PREP: Rule | None = None
    RIS_1: Rule | None = None
    RIS_2: MissingAtMost | None = None
    RIS_3: SingleCoursesPending | None = None
    RIS_4: Rule | None = None
    RIS_5: Rule | None = None
    RIS_6: DegreeTerm | None = None
    RIS_7: Rule | None = None
    RIS_8: FreeAfterReservation | None = None
    LAU_1: NoRenewalNeeded | None = None
    LAU_2: Rule | None = None
    LAU_3: RefundDates | None = None
    LAU_4: Rule | None = None
    LAU_6: Rule | None = None
    LAU_7: Rule | None = None
    LAU_8: Rule | None = None
    LAU_9: Rule | None = None
    CS_1: Window | None = None
    CS_2: MaxCfu | None = None
    CS_3: OneApplication | None = None
    CS_4: PerCfu | None = None
    CS_5: AfterDays | None = None
    CS_6: WorkingDays | None = None
    CS_7: Rule | None = None
    CS_8: Compatibility | None = None
    CS_9: Reductions | None = None
    CS_10: SingleCourseRefund | None = None
    CS_11: Validity | None = None
    CS_12: Exchange | None = None
    PT_1: Categories | None = None
    PT_2: RegimeWindow | None = None
    PT_3: Rule | None = None
    PT_4: Rule | None = None
    PT_5: Rule | None = None
    PT_6: AdaptedTime | None = None
    PT_7: LastYears | None = None
    PT_9: Rule | None = None
    RIC_1: RequestTerms | None = None
    RIC_2: RestrictedRequestTerms | None = None
    RIC_3: Rule | None = None
    RIC_4: Rule | None = None
    RIC_5: Rule | None = None
    RIC_6: FirstYear | None = None
    RIC_7: FirstYear | None = None
    RIC_8: BeforeTheCouncil | None = None
    RIC_9: Rule | None = None
    RIC_10: Rule | None = None
    RIC_11: RequestWindow | None = None
    RIC_12: RequestWindow | None = None
    RIC_14: StartsOn | None = None
    RIC_15: Rule | None = None
    ANN_1: Admission | None = None
    ANN_2: Admission | None = None
    ANN_3: Admission | None = None
    ANN_4: Admission | None = None
    PDS_1: PlanWindows | None = None
    PDS_2: Price | None = None
    PDS_4: Rule | None = None
    ESA_1: Rule | None = None
    ESA_1F: Rule | None = None
    ESA_2: Rule | None = None
    ESA_3: Rule | None = None
    ESA_4: Rule | None = None
    ESA_5: Rule | None = None
    ESA_6: Rule | None = None
    ESA_7: Rule | None = None
    PRN_1: AfterDays | None = None
    PRN_2: AfterDays | None = None
    PRN_3: Rule | None = None
    PRN_4: Rule | None = None
    VRB_1: Rule | None = None
    VRB_2: Rule | None = None
    VRB_3: Rule | None = None
    RIN_1: Rule | None = None
    RIN_2: Rule | None = None
    RIN_3: Stamp | None = None
    RIN_4: Rule | None = None
    RIN_5: Rule | None = None
    RIN_6: Rule | None = None
    RIN_6a: Rule | None = None
    RIN_7: Rule | None = None
    RIN_8: WithdrawalTerm | None = None
    RIN_8a: Rule | None = None
    RIN_9: Rule | None = None
    RIN_10: WithdrawalTerm | None = None
    RIN_11: ShareOf | None = None
    RIN_11a: Rule | None = None
    RIN_12: Rule | None = None
    RNW_1: StartsOn | None = None
    SOS_1: Window | None = None
    SOS_2: Categories | None = None
    SOS_3: AcademicYears | None = None
    SOS_4: Price | None = None
    SOS_5: Rule | None = None
    SOS_6: YearlyFee | None = None
    SOS_7: Rule | None = None
    INT_1: YearlyFee | None = None
    DEC_1: WithoutExams | None = None
    TRO_1: LeavingWindow | None = None
    TRO_2: Price | None = None
    REI_1: RequestWindow | None = None
    DEG_1: Price | None = None
    DS_1: Rule | None = None
    RIN: Rule | None = None
    ENR: Rule | None = None

def lacks(one: Rule | Law) -> Mapping[str, tuple[str, str, str]]:
    """What an entry or a law lacks, by field: what reading it raises."""
    found: Mapping[str, tuple[str, str, str]] = getattr(one, "_lacks", {})
    return found

def _law(rules: dict[str, Any], unknown: Mapping[str, tuple[str, str, str]]) -> Law:
    stated = {field: rule for field, rule in rules.items() if field not in unknown}
    if not unknown:
        return Law(**stated)
    made: Law = without(Law, frozenset(unknown))(**stated, _lacks=unknown)
    return made

class OwnBook(Checked):
    """Rules of no academic year: what the ledger itself asks for, and what holds where a year's book has no entry."""

    id: Text
    documents: dict[Text, Text]
    rules: dict[str, Rule]

    @property
    def ids(self) -> Collection[str]:
        return self.rules.keys()

    def entry(self, rule: str) -> Rule | None:
        return self.rules.get(rule)

    def has(self, rule: str) -> bool:
        return rule in self.rules

    def title(self, document: str) -> str:
        return self.documents[document]

class Amendment(Checked):
    """What became known after the book was written: `rules` gives, by id, the fields that change (or a whole entry),
    known since one day and holding from another. `documents`: titles of further documents."""

    known_since: Day
    holds_from: Day
    document: Text
    heading: Text
    says: Text
    documents: dict[Text, Text] = msgspec.field(default_factory=dict)
    rules: Annotated[dict[Text, dict[str, Any]], Narrowed(min_length=1)]

    def after(self) -> Self:
        """What changes is kept as JSON knows it: entries are made of what the file says."""
        return msgspec.structs.replace(self, rules=_for_good(as_json(self.rules)))

@lru_cache(maxsize=64)
def _one(rules: frozenset[str]) -> frozenset[str]:
    """The same object for all books with these rules: what is kept by it is found without comparing them."""
    return rules


def _for_good(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _for_good(one) for name, one in value.items()}
    return tuple(map(_for_good, value)) if isinstance(value, list) else value

class RuleBook(Checked, dict=True):
    """The law of one academic year. `covers` says whether it holds for everything, for everything as far as the sources
    were read (`part`: each rule is stated, denied or marked as unknown), or for single courses only.

    Acts that name no year, or the year before, follow this book between `acts_from` and `acts_until` when the career
    is not renewed (AMB-35); `acts_until` None: from that day on. `late_degrees_of` is the earlier year whose exams and
    degrees follow this book from `acts_from`. `documents` are the titles of what its entries cite; the ledger's own
    documents can be cited too. `interpretations` are those of the folder's register, with what this year decides
    otherwise."""

    id: Text
    academic_year: Year
    covers: Literal["everything", "part", "single-courses"]
    acts_from: Day | None = None
    acts_until: Day | None = None
    late_degrees_of: Year | None = None
    documents: dict[Text, Text]
    rules: Law
    unknown: dict[str, Unknown] = msgspec.field(default_factory=dict, name="[unknown]")
    denied: dict[str, Denied] = msgspec.field(default_factory=dict, name="[denied]")
    """By id, what `rules` of the file marks instead of stating it."""
    interpretations: Interpretations
    amendments: tuple[Amendment, ...] = ()
    """Those that are known; which of them `rules` includes is told by the day (`LawBooks.on`)."""
    _own: OwnBook | None = None

    @classmethod
    def before(cls, data: Any) -> Any:
        """The marks apart."""
        rules = data.get("rules") if isinstance(data, dict) else None
        if not isinstance(rules, dict):
            return data
        unknown = {key: entry for key, entry in rules.items() if isinstance(entry, dict)
                   and isinstance(entry.get("unknown"), str)}
        denied = {key: entry for key, entry in rules.items() if isinstance(entry, dict) and "denied" in entry}
        return {**data, "rules": {key: entry for key, entry in rules.items() if key not in unknown | denied},
                "[unknown]": unknown, "[denied]": denied}

    def after(self) -> Self:
        """What is unknown has a name."""
        for rule, entry in self.rules.stated.items():
            if entry.unknown:
                msgspec.structs.force_setattr(entry, "_lacks", {
                    value: (rule, self.academic_year, why) for value, why in entry.unknown.items()})
        law = self.rules.marked({field: (rule, self.academic_year, mark.unknown) for rule, mark in self.unknown.items()
                                 if (field := rule.replace("-", "_")) in names(Law)})  # an id of nothing is told later
        msgspec.structs.force_setattr(self, "rules", law)
        return self

    def stands_on(self, own: OwnBook) -> None:
        """Answer for the ledger's own rules too."""
        msgspec.structs.force_setattr(self, "_own", own)
        for kept in ("ids", "asked", "unsure"):
            self.__dict__.pop(kept, None)

    @cached_property
    def ids(self) -> frozenset[str]:
        """The rules that the year has, and the ledger's own: a rule that is in neither does nothing."""
        own = self._own.rules.keys() if self._own is not None else ()
        return frozenset({*self.rules.stated, *own} - self.unknown.keys())

    @cached_property
    def asked(self) -> frozenset[str]:
        """The same and those that are unknown: what speaks for one of them is asked, and finds out if it matters."""
        return _one(self.ids.union(self.unknown))

    @cached_property
    def unsure(self) -> frozenset[str]:
        """The rules that are unknown, whole or in any of their values."""
        return frozenset({*self.unknown, *(key for key, rule in self.rules.stated.items() if rule.unknown)})

    @cached_property
    def instalments(self) -> Mapping[str, Day]:
        """The kinds of charge that a yearly contribution is asked in, and when each is due (RAT-3, RAT-4)."""
        first, second = self.rules.RAT_3, self.rules.RAT_4
        found = {INSTALMENTS[0]: first.due_on} if first is not None else {}
        if second is not None:
            found |= zip(INSTALMENTS[1:], (second.due_on, *(one.due_on for one in second.further)), strict=False)
        return found

    def has(self, rule: str) -> bool:
        """Raises `UnknownValue` where the year may have the rule: ask last."""
        if rule in self.ids:
            return True
        if rule in self.unknown:
            raise UnknownValue(rule, self.academic_year, self.unknown[rule].unknown)
        return False

    def title(self, document: str) -> str:
        """Of a document that an entry cites."""
        if document in self.documents or self._own is None:
            return self.documents[document]
        return self._own.title(document)

    def entry(self, rule: str) -> Rule | None:
        """What a rule id such as `MOR-5a` says: here, else among the ledger's own rules. Raises `UnknownValue`."""
        if rule in self.unknown:
            raise UnknownValue(rule, self.academic_year, self.unknown[rule].unknown)
        found: Rule | None = getattr(self.rules, rule.replace("-", "_"), None)
        return found if found is not None or self._own is None else self._own.entry(rule)
