"""Every report of the command line has a page: the same rows, and how they divide."""

import re
from decimal import Decimal

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from ledger.entrypoints.cli import cli
from ledger.entrypoints.cli.everybody import report
from ledger.entrypoints.http.console import reports

from .desk import STAFF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]
ON = ("--on", "2026-03-20")
ASKED = dict.fromkeys(reports.LISTED, ON) | {
    "upcoming": ("--from", "2026-03-01", "--to", "2026-05-31"), "counts": (*ON, "--by", "status,regime"),
    "blocked": (*ON, "--kind", "final-exam")}
"""By report: as the command line is asked, and in the same words the page."""


def test_every_report_of_the_command_line_is_listed(opened: Desk) -> None:
    page = opened.window("it", STAFF)
    page.goto(f"{opened.site}/reports")
    listed = [str(one.get_attribute("href")) for one in page.locator("ul.links a").all()]
    assert sorted(listed) == sorted(f"/reports/{name}" for name in report.commands)
    page.close()


@pytest.mark.parametrize("name", reports.LISTED)
def test_report_has_the_rows_of_the_command_line_and_bars_that_add_up(opened: Desk, name: str) -> None:
    page, options = opened.window("en", STAFF, scripts=False), ASKED[name]
    said = CliRunner().invoke(cli, ["--db", opened.url, "report", name, *options, "--csv"])
    assert said.exit_code == 0, said.output
    query = "&".join(f"{key[2:]}={value}" for key, value in zip(options[::2], options[1::2], strict=True))
    opened.opens(page, f"/reports/{name}?{query}", 200)
    many = len(said.stdout.splitlines()[1:])
    if not many:
        expect(page.get_by_text("There is nothing.")).to_be_visible()
        page.close()
        return
    bars, rows = page.locator("table.counted tbody tr"), page.locator("table.stacked tbody tr")
    figures = [Decimal(re.sub("[€,]", "", text)) for text in bars.locator("td.number").all_text_contents()]
    assert [int(one) for one in bars.locator("rect").evaluate_all("all => all.map(one => one.getAttribute('width'))")] \
        == [int(100 * one / max(figures)) for one in figures]
    total = page.get_by_text("Total: ")
    if total.count():
        assert sum(figures) == Decimal(re.sub("[^0-9.]", "", str(total.text_content())).rstrip("."))
    elif name != "counts":
        assert sum(figures) == many
    expect(page.get_by_role("heading", name=f"All of them ({many})")).to_be_visible()
    given = page.request.get(opened.site + str(page.locator("a[download]").get_attribute("href")))
    assert given.text() == said.stdout
    assert given.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
    listed = rows.count()
    while page.locator("a[rel=next]").count():
        page.locator("a[rel=next]").click()
        listed += rows.count()
    assert listed == many
    page.close()


def test_filters_of_a_report_are_links(opened: Desk) -> None:
    page = opened.window("it", STAFF, scripts=False)
    page.goto(f"{opened.site}/reports/blocked?on=2026-03-20")
    page.get_by_role("link", name="prenotazione esami").click()
    assert {str(text) for text in page.locator("table.stacked [data-head=Regola]").all_text_contents()} == {"BLK-1"}
    page.goto(f"{opened.site}/reports/counts?on=2026-03-20")
    for one in ("Corso", "Anno di corso"):
        page.get_by_role("navigation", name="Filtra l'elenco").get_by_role("link", name=one, exact=True).click()
    expect(page.get_by_role("heading", name="Per stato")).to_be_visible()
    assert page.locator("table.stacked thead th").all_text_contents() == ["Stato", "Carriere", "Studenti"]
    page.close()


@pytest.mark.parametrize("asked", ["blocked?kind=none", "counts?by=name", "upcoming?from=2026-03-02&to=2026-03-01",
                                   "arrears?limit=5", "arrears?cursor=x", "refunds?kind=reservation"])
def test_report_that_is_asked_wrongly_says_so(opened: Desk, asked: str) -> None:
    page = opened.window("it", STAFF)
    opened.opens(page, f"/reports/{asked}", 400)
    expect(page.get_by_role("alert")).to_be_visible()
    page.close()
