"""The commands of docs/e-services.md work as they are written there."""

from pathlib import Path

from .test_api import run_beside_a_server
from .test_readme import commands


def test_commands_of_the_page_about_e_services_work(tmp_path: Path) -> None:
    out = run_beside_a_server(commands("docs/e-services.md"), tmp_path, 120)
    for words in ('"check": "eservices"', '"personal_data":', '"reason":"bad-request"',
                  '"reason":"no-voucher"', "ifs02/academic-enrollments", '"enrollments_hash":[{"key":"',
                  '"meta":{"cursor":null}'):
        assert words in out, words
