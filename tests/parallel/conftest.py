"""A real Dask cluster on loopback, one for all tests here."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

WORKERS = 3
BACK_SECONDS = 20.0


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Three workers with nannies, which start another in the place of one that dies. Their own environment has the
    password of the test server, as a pgpass file would."""
    import dask.config
    import distributed

    kept = dict(os.environ)
    admin = os.environ.get("CAREER_LEDGER_TEST_POSTGRES", "")
    if admin:
        from psycopg.conninfo import conninfo_to_dict

        os.environ["PGPASSWORD"] = str(conninfo_to_dict(admin).get("password", ""))
    os.environ["PYTHONPATH"] = str(request.config.rootpath)  # where the functions of these tests are
    try:
        # a part that was lost with one worker comes back to who handed it out
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}), distributed.LocalCluster(
                n_workers=WORKERS, threads_per_worker=1, processes=True, host="127.0.0.1", silence_logs=50,
                scheduler_kwargs={"dashboard": False}) as made:
            yield made
    finally:
        os.environ.clear()
        os.environ.update(kept)


@pytest.fixture
def dask(cluster: Any) -> Any:
    """All workers are there. A nanny whose worker dies while it starts gives up: then all are made anew."""
    import distributed

    until = time.monotonic() + BACK_SECONDS
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        while len(client.scheduler_info()["workers"]) < WORKERS:
            if time.monotonic() > until:
                cluster.scale(0)
                cluster.scale(WORKERS)
                client.wait_for_workers(WORKERS, timeout=120)
                break
            time.sleep(0.1)
    return cluster
