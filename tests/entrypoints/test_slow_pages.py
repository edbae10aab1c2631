"""Pages that are kept for who asked, without a browser; what people see of it is in tests/console/test_waiting.py."""

import asyncio

from ledger.edges.callers import REGISTRAR, Caller
from ledger.edges.web import Request, Response
from ledger.entrypoints.http.console.waiting import SlowPages

STAFF = frozenset({REGISTRAR})
HER, HIM = (Request({}, b"", ("S1",), caller=Caller(one, STAFF, csrf=one)) for one in ("her", "him"))


def test_page_from_before_a_change_is_not_given_to_who_made_it() -> None:
    made: list[bytes] = []

    async def slow(_: Request) -> Response:
        made.append(b"%d" % len(made))
        found = Response(200, made[-1])
        await asyncio.sleep(0.05)
        return found

    async def ask() -> None:
        pages = SlowPages()
        of_hers = "/students/{student}"
        get, post = pages.over(of_hers, slow), pages.after(of_hers, lambda _: Response(303, b""))
        pages.patience = 0.001
        assert [(await get(one)).status for one in (HER, HIM)] == [202, 202]
        assert (await post(HER)).status == 303
        pages.patience = 60.0
        assert [(await get(one)).body for one in (HER, HIM)] == [b"2", b"1"]

    asyncio.run(ask())
