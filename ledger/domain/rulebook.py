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
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, create_model, model_validator

from .form import wrong
from .values import Amount, Day, RecognitionKind, Text, Year

MOST_INSTALMENTS = 6
"""Of a yearly contribution. Each has a name in every language (`ledger/words`, `consumers/treasury/reference.py`)."""
INSTALMENTS = tuple(f"instalment-{number}" for number in range(1, MOST_INSTALMENTS + 1))
"""The kinds of charge, in the order in which a year asks for them; a book says how many it has (RAT-3, RAT-4)."""

SHARES = frozenset({"share", "disability", "detention"})
"""Values that are shares of a sum; all other decimals are euro."""

_FROZEN = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

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

class Rule(BaseModel):
    """A rule with its source: a document of the book's list and a heading. `interpretation` names the register entry
    that this reading rests on. `unknown` names values that the entry does not state, each with what was looked for."""

    model_config = _FROZEN
    document: Text
    heading: Text
    says: Text
    interpretation: Text | None = None
    unknown: dict[Text, Text] = Field(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _without_what_is_unknown(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """An entry with unknown values is one of a model that does not ask for them."""
        names = data.get("unknown") if isinstance(data, dict) else None
        if not isinstance(names, dict) or issubclass(cls, _Partial):
            return handler(data)
        for name in names:
            if name not in cls.model_fields or name in Rule.model_fields:
                raise wrong("form/no-value-of-the-rule", text=str(name), categories=[
                    one for one in cls.model_fields if one not in Rule.model_fields])
            if name in data:
                raise wrong("form/stated-and-unknown", text=name)
        made: Self = _partial(cls, frozenset(names)).model_validate(data)
        return made

class _Partial(BaseModel):
    """An entry without the values that it marks as unknown: reading one raises `UnknownValue`."""

    _of: tuple[str, str] = PrivateAttr(default=("", ""))

    def belongs_to(self, rule: str, year: str) -> None:
        self._of = rule, year

    @model_validator(mode="after")
    def _forget(self) -> Self:
        for name in vars(self)["unknown"]:
            vars(self).pop(name, None)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Books go to worker processes, which have none of the models that are made here."""
        return _blank, (type(self).__bases__[1], frozenset(vars(self)["unknown"])), self.__getstate__()

    if not TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            missing = vars(self).get("unknown", {}).get(name)
            if missing is None:
                return super().__getattr__(name)
            raise UnknownValue(*self._of, missing)

@cache
def _partial(kind: type[Rule], names: frozenset[str]) -> type[Any]:
    fields: dict[str, Any] = dict.fromkeys(sorted(names), (Any, None))
    return create_model(kind.__name__, __base__=(_Partial, kind), **fields)

def _blank(kind: type[Rule], names: frozenset[str]) -> Any:
    made: Any = _partial(kind, names)
    return made.__new__(made)

class Unknown(BaseModel):
    """A rule of which nothing was seen: what was looked for, and where it was cut off."""

    model_config = _FROZEN
    unknown: Text

class Denied(BaseModel):
    """A rule that the year is known not to have: what its guide says instead."""

    model_config = _FROZEN
    denied: Text
    document: Text
    heading: Text

class _Value(BaseModel):
    model_config = _FROZEN

Days = Annotated[int, Field(strict=True, ge=0, le=3660)]
Share = Annotated[Decimal, Field(ge=0, le=1)]

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

class FirstInstalment(Rule):
    due_on: Day
    at_most: Amount

class FurtherInstalment(_Value):
    due_on: Day
    share: Share = Decimal(1)

class SecondInstalment(Rule):
    """What the first instalment leaves: all of it on `due_on`, or its `share` there and the rest on the days of
    `further`, each with its own share of what the first leaves; the last one takes what is left."""
    due_on: Day
    share: Share = Decimal(1)
    further: Annotated[tuple[FurtherInstalment, ...], Field(max_length=MOST_INSTALMENTS - 2)] = ()

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

class Tier(_Value):
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

class IssuedFrom(Rule):
    issued_from: Day

class AtMost(Rule):
    at_most: Days

class PreenrolmentWindow(_Value):
    """Pre-enrolment from..until leads to enrolment between enrol_from and enrol_until; `late` always costs the late
    instance."""
    first: Day
    last: Day
    enrol_from: Day
    enrol_until: Day
    late: bool = False

class PreenrolmentWindows(Rule):
    windows: tuple[PreenrolmentWindow, ...]

class Period(_Value):
    first: Day
    last: Day

class ForeignWindows(Rule):
    windows: tuple[Period, ...]

class Selection(_Value):
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
    years: Annotated[int, Field(strict=True, ge=1, le=30)]

class YearlyFee(Rule):
    """Euro for each academic year; `later` is asked from the year with the number `later_from` on (1 is the first)."""
    amount: Amount
    later: Amount | None = None
    later_from: Annotated[int, Field(strict=True, ge=2, le=30)] | None = None

class WithoutExams(AcademicYears):
    """So many academic years in a row without an exam passed. `suspended`: whether years of suspension are among
    them."""
    suspended: Literal["count", "do-not-count"]

class FirstYear(Rule):
    """What may not be done in the year of first enrolment. `course_types`: by whom (None: as AMB-37 reads it)."""
    course_types: tuple[Literal["bachelor", "master", "single-cycle"], ...] | None = None

class LastYears(Rule):
    last_year: dict[Literal["bachelor", "master", "single-cycle"], int]

class LateRequest(_Value):
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
    classes: dict[str, Day] = Field(default_factory=dict)

class AdmissionStep(_Value):
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
    further: Annotated[tuple[Day, ...], Field(max_length=MOST_INSTALMENTS - 2)] = ()
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


class Choice(BaseModel):
    """An entry of the register of interpretations: the question, what was decided, and the other readings that the code
    knows."""

    model_config = _FROZEN
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

class Interpretations(BaseModel):
    """The register (sections 15 and 17 of rules.md): named, switchable per institution, shown in every answer that
    rests on it."""

    model_config = _FROZEN
    AMB_1: _AmbOne = Field(alias="AMB-1")
    AMB_2: _AsDecided = Field(alias="AMB-2")
    AMB_3: _AsDecided = Field(alias="AMB-3")
    AMB_4: _YesNo = Field(alias="AMB-4")
    AMB_5: _FinalExam = Field(alias="AMB-5")
    AMB_6: _AsDecided = Field(alias="AMB-6")
    AMB_7: _AsDecided = Field(alias="AMB-7")
    AMB_8: _AsDecided = Field(alias="AMB-8")
    AMB_9: _AsDecided = Field(alias="AMB-9")
    AMB_10: _AsDecided = Field(alias="AMB-10")
    AMB_11: _AsDecided = Field(alias="AMB-11")
    AMB_12: _FailedReservation = Field(alias="AMB-12")
    AMB_13: _FirstYear = Field(alias="AMB-13")
    AMB_14: _AsDecided = Field(alias="AMB-14")
    AMB_15: _AsDecided = Field(alias="AMB-15")
    AMB_16: _AsDecided = Field(alias="AMB-16")
    AMB_17: _AsDecided = Field(alias="AMB-17")
    AMB_18: _AsDecided = Field(alias="AMB-18")
    AMB_19: _AsDecided = Field(alias="AMB-19")
    AMB_20: _AsDecided = Field(alias="AMB-20")
    AMB_21: _AsDecided = Field(alias="AMB-21")
    AMB_22: _AsDecided = Field(alias="AMB-22")
    AMB_23: _AsDecided = Field(alias="AMB-23")
    AMB_24: _AsDecided = Field(alias="AMB-24")
    AMB_25: _AsDecided = Field(alias="AMB-25")
    AMB_26: _AsDecided = Field(alias="AMB-26")
    AMB_27: _AsDecided = Field(alias="AMB-27")
    AMB_28: _AsDecided = Field(alias="AMB-28")
    AMB_29: _AsDecided = Field(alias="AMB-29")
    AMB_30: _AsDecided = Field(alias="AMB-30")
    AMB_31: _AsDecided = Field(alias="AMB-31")
    AMB_32: _Act = Field(alias="AMB-32")
    AMB_33: _AsDecided = Field(alias="AMB-33")
    AMB_34: _AsDecided = Field(alias="AMB-34")
    AMB_35: _AsDecided = Field(alias="AMB-35")
    AMB_36: _AsDecided = Field(alias="AMB-36")
    AMB_37: _AsDecided = Field(alias="AMB-37")
    AMB_38: _AsDecided = Field(alias="AMB-38")
    AMB_39: _AsDecided = Field(alias="AMB-39")
    AMB_40: _AsDecided = Field(alias="AMB-40")
    AMB_41: _AsDecided = Field(alias="AMB-41")
    AMB_42: _AsDecided = Field(alias="AMB-42")
    AMB_43: _AsDecided = Field(alias="AMB-43")
    AMB_44: _AsDecided = Field(alias="AMB-44")
    AMB_45: _AsDecided = Field(alias="AMB-45")
    AMB_46: _LaterAssessment = Field(alias="AMB-46")
    AMB_47: _DecidedCharge = Field(alias="AMB-47")
    AMB_48: _AsDecided = Field(alias="AMB-48")
    AMB_49: _AsDecided = Field(alias="AMB-49")
    AMB_50: _AsDecided = Field(alias="AMB-50")
    AMB_51: _AsDecided = Field(alias="AMB-51")
    AMB_52: _AsDecided = Field(alias="AMB-52")
    AMB_53: _AsDecided = Field(alias="AMB-53")
    AMB_54: _AsDecided = Field(alias="AMB-54")
    AMB_55: _AsDecided = Field(alias="AMB-55")
    AMB_56: _AsDecided = Field(alias="AMB-56")
    AMB_57: _AsDecided = Field(alias="AMB-57")
    AMB_58: _AsDecided = Field(alias="AMB-58")

class Register(BaseModel):
    """What a folder of rule books decides for all its years."""

    model_config = _FROZEN
    interpretations: Interpretations

@lru_cache(maxsize=1024)
def is_register_entry(rule: str) -> bool:
    return rule.replace("-", "_") in Interpretations.model_fields

class Law(BaseModel):
    """The rules of one academic year, by their id in rules.md (`BLK-1` is `BLK_1`). None: the year does not have the
    rule. One that is unknown is no attribute: reading it raises `UnknownValue`."""

    model_config = _FROZEN
    _unknown: dict[str, UnknownValue] = PrivateAttr(default_factory=dict)

    def mark(self, rule: str, unknown: UnknownValue) -> None:
        field = rule.replace("-", "_")
        vars(self).pop(field, None)
        self._unknown[field] = unknown

    if not TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            marked = self.__pydantic_private__
            if name[0] == "_" or not marked or name not in marked["_unknown"]:
                return super().__getattr__(name)
            raise marked["_unknown"][name].again()

    BLK_1: AfterDays | None = Field(None, alias="BLK-1")
    BLK_2: Rule | None = Field(None, alias="BLK-2")
    BLK_3: AdministrativeBlock | None = Field(None, alias="BLK-3")
    BLK_4: Rule | None = Field(None, alias="BLK-4")
    BLK_5: Rule | None = Field(None, alias="BLK-5")
    CHG_1: Price | None = Field(None, alias="CHG-1")
    CHG_2: StampedPrice | None = Field(None, alias="CHG-2")
    CHG_3: DuePrice | None = Field(None, alias="CHG-3")
    CHG_9: Price | None = Field(None, alias="CHG-9")
    CHG_10: Price | None = Field(None, alias="CHG-10")
    CHG_11: Price | None = Field(None, alias="CHG-11")
    CHG_12: Price | None = Field(None, alias="CHG-12")
    CHG_14: Rule | None = Field(None, alias="CHG-14")
    CHG_16: Postage | None = Field(None, alias="CHG-16")
    MOR_1: Tiers | None = Field(None, alias="MOR-1")
    MOR_2: Rule | None = Field(None, alias="MOR-2")
    MOR_3: Rule | None = Field(None, alias="MOR-3")
    MOR_4: Rule | None = Field(None, alias="MOR-4")
    MOR_5: LateInstance | None = Field(None, alias="MOR-5")
    MOR_5a: Rule | None = Field(None, alias="MOR-5a")
    MOR_5b: Rule | None = Field(None, alias="MOR-5b")
    MOR_5c: Rule | None = Field(None, alias="MOR-5c")
    MOR_5d: Rule | None = Field(None, alias="MOR-5d")
    MOR_6: Rule | None = Field(None, alias="MOR-6")
    RAT_2: Rule | None = Field(None, alias="RAT-2")
    RAT_3: FirstInstalment | None = Field(None, alias="RAT-3")
    RAT_4: SecondInstalment | None = Field(None, alias="RAT-4")
    RAT_5: UpTo | None = Field(None, alias="RAT-5")
    RAT_6: Below | None = Field(None, alias="RAT-6")
    RAT_7: Over | None = Field(None, alias="RAT-7")
    RAT_9: ShareOf | None = Field(None, alias="RAT-9")
    RAT_10: Rule | None = Field(None, alias="RAT-10")
    ISE_1: Term | None = Field(None, alias="ISE-1")
    ISE_2: LateIsee | None = Field(None, alias="ISE-2")
    ISE_3: Rule | None = Field(None, alias="ISE-3")
    ISE_4: Rule | None = Field(None, alias="ISE-4")
    ISE_5: IssuedFrom | None = Field(None, alias="ISE-5")
    ISE_6: Rule | None = Field(None, alias="ISE-6")
    PRE_1: AtMost | None = Field(None, alias="PRE-1")
    PRE_2: PreenrolmentWindows | None = Field(None, alias="PRE-2")
    PRE_3: Selections | None = Field(None, alias="PRE-3")
    PRE_4: Rule | None = Field(None, alias="PRE-4")
    PRE_5: EnrolmentTerm | None = Field(None, alias="PRE-5")
    PRE_6: ForeignWindows | None = Field(None, alias="PRE-6")
    PRE_7: VisaTerms | None = Field(None, alias="PRE-7")
    PRE_8: Rule | None = Field(None, alias="PRE-8")
    PRE_10: Rule | None = Field(None, alias="PRE-10")
    PREP: Rule | None = Field(None, alias="PREP")
    RIS_1: Rule | None = Field(None, alias="RIS-1")
    RIS_2: MissingAtMost | None = Field(None, alias="RIS-2")
    RIS_3: SingleCoursesPending | None = Field(None, alias="RIS-3")
    RIS_4: Rule | None = Field(None, alias="RIS-4")
    RIS_5: Rule | None = Field(None, alias="RIS-5")
    RIS_6: DegreeTerm | None = Field(None, alias="RIS-6")
    RIS_7: Rule | None = Field(None, alias="RIS-7")
    RIS_8: FreeAfterReservation | None = Field(None, alias="RIS-8")
    LAU_1: NoRenewalNeeded | None = Field(None, alias="LAU-1")
    LAU_2: Rule | None = Field(None, alias="LAU-2")
    LAU_3: RefundDates | None = Field(None, alias="LAU-3")
    LAU_4: Rule | None = Field(None, alias="LAU-4")
    LAU_6: Rule | None = Field(None, alias="LAU-6")
    LAU_7: Rule | None = Field(None, alias="LAU-7")
    LAU_8: Rule | None = Field(None, alias="LAU-8")
    LAU_9: Rule | None = Field(None, alias="LAU-9")
    CS_1: Window | None = Field(None, alias="CS-1")
    CS_2: MaxCfu | None = Field(None, alias="CS-2")
    CS_3: OneApplication | None = Field(None, alias="CS-3")
    CS_4: PerCfu | None = Field(None, alias="CS-4")
    CS_5: AfterDays | None = Field(None, alias="CS-5")
    CS_6: WorkingDays | None = Field(None, alias="CS-6")
    CS_7: Rule | None = Field(None, alias="CS-7")
    CS_8: Compatibility | None = Field(None, alias="CS-8")
    CS_9: Reductions | None = Field(None, alias="CS-9")
    CS_10: SingleCourseRefund | None = Field(None, alias="CS-10")
    CS_11: Validity | None = Field(None, alias="CS-11")
    CS_12: Exchange | None = Field(None, alias="CS-12")
    PT_1: Categories | None = Field(None, alias="PT-1")
    PT_2: RegimeWindow | None = Field(None, alias="PT-2")
    PT_3: Rule | None = Field(None, alias="PT-3")
    PT_4: Rule | None = Field(None, alias="PT-4")
    PT_5: Rule | None = Field(None, alias="PT-5")
    PT_6: AdaptedTime | None = Field(None, alias="PT-6")
    PT_7: LastYears | None = Field(None, alias="PT-7")
    PT_9: Rule | None = Field(None, alias="PT-9")
    RIC_1: RequestTerms | None = Field(None, alias="RIC-1")
    RIC_2: RestrictedRequestTerms | None = Field(None, alias="RIC-2")
    RIC_3: Rule | None = Field(None, alias="RIC-3")
    RIC_4: Rule | None = Field(None, alias="RIC-4")
    RIC_5: Rule | None = Field(None, alias="RIC-5")
    RIC_6: FirstYear | None = Field(None, alias="RIC-6")
    RIC_7: FirstYear | None = Field(None, alias="RIC-7")
    RIC_8: BeforeTheCouncil | None = Field(None, alias="RIC-8")
    RIC_9: Rule | None = Field(None, alias="RIC-9")
    RIC_10: Rule | None = Field(None, alias="RIC-10")
    RIC_11: RequestWindow | None = Field(None, alias="RIC-11")
    RIC_12: RequestWindow | None = Field(None, alias="RIC-12")
    RIC_14: StartsOn | None = Field(None, alias="RIC-14")
    RIC_15: Rule | None = Field(None, alias="RIC-15")
    ANN_1: Admission | None = Field(None, alias="ANN-1")
    ANN_2: Admission | None = Field(None, alias="ANN-2")
    ANN_3: Admission | None = Field(None, alias="ANN-3")
    ANN_4: Admission | None = Field(None, alias="ANN-4")
    PDS_1: PlanWindows | None = Field(None, alias="PDS-1")
    PDS_2: Price | None = Field(None, alias="PDS-2")
    PDS_4: Rule | None = Field(None, alias="PDS-4")
    ESA_1: Rule | None = Field(None, alias="ESA-1")
    ESA_1F: Rule | None = Field(None, alias="ESA-1F")
    ESA_2: Rule | None = Field(None, alias="ESA-2")
    ESA_3: Rule | None = Field(None, alias="ESA-3")
    ESA_4: Rule | None = Field(None, alias="ESA-4")
    ESA_5: Rule | None = Field(None, alias="ESA-5")
    ESA_6: Rule | None = Field(None, alias="ESA-6")
    ESA_7: Rule | None = Field(None, alias="ESA-7")
    PRN_1: AfterDays | None = Field(None, alias="PRN-1")
    PRN_2: AfterDays | None = Field(None, alias="PRN-2")
    PRN_3: Rule | None = Field(None, alias="PRN-3")
    PRN_4: Rule | None = Field(None, alias="PRN-4")
    VRB_1: Rule | None = Field(None, alias="VRB-1")
    VRB_2: Rule | None = Field(None, alias="VRB-2")
    VRB_3: Rule | None = Field(None, alias="VRB-3")
    RIN_1: Rule | None = Field(None, alias="RIN-1")
    RIN_2: Rule | None = Field(None, alias="RIN-2")
    RIN_3: Stamp | None = Field(None, alias="RIN-3")
    RIN_4: Rule | None = Field(None, alias="RIN-4")
    RIN_5: Rule | None = Field(None, alias="RIN-5")
    RIN_6: Rule | None = Field(None, alias="RIN-6")
    RIN_6a: Rule | None = Field(None, alias="RIN-6a")
    RIN_7: Rule | None = Field(None, alias="RIN-7")
    RIN_8: WithdrawalTerm | None = Field(None, alias="RIN-8")
    RIN_8a: Rule | None = Field(None, alias="RIN-8a")
    RIN_9: Rule | None = Field(None, alias="RIN-9")
    RIN_10: WithdrawalTerm | None = Field(None, alias="RIN-10")
    RIN_11: ShareOf | None = Field(None, alias="RIN-11")
    RIN_11a: Rule | None = Field(None, alias="RIN-11a")
    RIN_12: Rule | None = Field(None, alias="RIN-12")
    RNW_1: StartsOn | None = Field(None, alias="RNW-1")
    SOS_1: Window | None = Field(None, alias="SOS-1")
    SOS_2: Categories | None = Field(None, alias="SOS-2")
    SOS_3: AcademicYears | None = Field(None, alias="SOS-3")
    SOS_4: Price | None = Field(None, alias="SOS-4")
    SOS_5: Rule | None = Field(None, alias="SOS-5")
    SOS_6: YearlyFee | None = Field(None, alias="SOS-6")
    SOS_7: Rule | None = Field(None, alias="SOS-7")
    INT_1: YearlyFee | None = Field(None, alias="INT-1")
    DEC_1: WithoutExams | None = Field(None, alias="DEC-1")
    TRO_1: LeavingWindow | None = Field(None, alias="TRO-1")
    TRO_2: Price | None = Field(None, alias="TRO-2")
    REI_1: RequestWindow | None = Field(None, alias="REI-1")
    DEG_1: Price | None = Field(None, alias="DEG-1")
    DS_1: Rule | None = Field(None, alias="DS-1")
    RIN: Rule | None = Field(None, alias="RIN")
    ENR: Rule | None = Field(None, alias="ENR")

class OwnBook(BaseModel):
    """Rules of no academic year: what the ledger itself asks for, and what holds where a year's book has no entry."""

    model_config = _FROZEN
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

class Amendment(BaseModel):
    """What became known after the book was written: `rules` gives, by id, the fields that change (or a whole entry),
    known since one day and holding from another. `documents`: titles of further documents."""

    model_config = _FROZEN
    known_since: Day
    holds_from: Day
    document: Text
    heading: Text
    says: Text
    documents: dict[Text, Text] = Field(default_factory=dict)
    rules: Annotated[dict[Text, dict[str, Any]], Field(min_length=1)]

class RuleBook(BaseModel):
    """The law of one academic year. `covers` says whether it holds for everything, for everything as far as the sources
    were read (`part`: each rule is stated, denied or marked as unknown), or for single courses only.

    Acts that name no year, or the year before, follow this book between `acts_from` and `acts_until` when the career
    is not renewed (AMB-35); `acts_until` None: from that day on. `late_degrees_of` is the earlier year whose exams and
    degrees follow this book from `acts_from`. `documents` are the titles of what its entries cite; the ledger's own
    documents can be cited too. `interpretations` are those of the folder's register, with what this year decides
    otherwise."""

    model_config = _FROZEN
    id: Text
    academic_year: Year
    covers: Literal["everything", "part", "single-courses"]
    acts_from: Day | None = None
    acts_until: Day | None = None
    late_degrees_of: Year | None = None
    documents: dict[Text, Text]
    rules: Law
    unknown: dict[str, Unknown] = Field(default_factory=dict, alias="[unknown]")
    denied: dict[str, Denied] = Field(default_factory=dict, alias="[denied]")
    """By id, what `rules` of the file marks instead of stating it."""
    interpretations: Interpretations
    amendments: tuple[Amendment, ...] = ()
    """Those that are known; which of them `rules` includes is told by the day (`LawBooks.on`)."""
    _own: OwnBook | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _marks_apart(cls, data: Any) -> Any:
        rules = data.get("rules") if isinstance(data, dict) else None
        if not isinstance(rules, dict):
            return data
        unknown = {key: entry for key, entry in rules.items() if isinstance(entry, dict)
                   and isinstance(entry.get("unknown"), str)}
        denied = {key: entry for key, entry in rules.items() if isinstance(entry, dict) and "denied" in entry}
        return {**data, "rules": {key: entry for key, entry in rules.items() if key not in unknown | denied},
                "[unknown]": unknown, "[denied]": denied}

    @model_validator(mode="after")
    def _name_what_is_unknown(self) -> Self:
        for rule, mark in self.unknown.items():
            self.rules.mark(rule, UnknownValue(rule, self.academic_year, mark.unknown))
        for field, entry in vars(self.rules).items():
            if isinstance(entry, _Partial):
                entry.belongs_to(field.replace("_", "-"), self.academic_year)
        return self

    def stands_on(self, own: OwnBook) -> None:
        """Answer for the ledger's own rules too."""
        self._own = own
        for kept in ("ids", "asked", "unsure"):
            self.__dict__.pop(kept, None)

    @cached_property
    def ids(self) -> frozenset[str]:
        """The rules that the year has, and the ledger's own: a rule that is in neither does nothing. Pydantic's private
        attributes would be slow here."""
        here = {field.replace("_", "-") for field, rule in vars(self.rules).items() if rule is not None}
        return frozenset((here if self._own is None else here.union(self._own.rules)) - self.unknown.keys())

    @cached_property
    def asked(self) -> frozenset[str]:
        """The same and those that are unknown: what speaks for one of them is asked, and finds out if it matters."""
        return self.ids | self.unknown.keys()

    @cached_property
    def unsure(self) -> frozenset[str]:
        """The rules that are unknown, whole or in any of their values."""
        return frozenset(self.unknown) | {field.replace("_", "-") for field, rule in vars(self.rules).items()
                                          if rule is not None and rule.unknown}

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
        found: Rule | None = vars(self.rules).get(rule.replace("-", "_"))
        if found is None and rule in self.unknown:
            raise UnknownValue(rule, self.academic_year, self.unknown[rule].unknown)
        return found if found is not None or self._own is None else self._own.entry(rule)
