"""What follows the ledger, and what could not be taken there."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from ledger.entrypoints.http.console import services

from .desk import STAFF, Desk


@pytest.mark.xdist_group("console")
@pytest.mark.server
def test_service_says_how_far_it_is_and_who_waits(opened: Desk) -> None:
    page = opened.window("it", STAFF, scripts=False)
    page.goto(f"{opened.site}/subscribers")
    main = page.locator("main")
    expect(main).to_contain_text("career.events.v1: posizione 120 / ")
    waits = page.get_by_role("row").filter(has_text="S-DEMO-07")
    expect(waits).to_contain_text("un evento precedente non è arrivato")
    expect(waits).to_contain_text("20 marzo 2026")
    expect(main.locator("h3", has_text="Archivio").locator("xpath=following-sibling::p[1]")).to_contain_text(
        "non si può leggere")
    page.close()


def test_file_that_names_services_is_read_or_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "services.toml"
    file.write_text('treasury = "sqlite:////srv/treasury.db"')
    assert services.read(file) == {"treasury": "sqlite:////srv/treasury.db"}
    for wrong in ('"drop table" = "sqlite:///x"', "treasury = 1", "treasury"):
        file.write_text(wrong)
        with pytest.raises(ValueError, match=r"drop table|treasury|key"):
            services.read(file)
