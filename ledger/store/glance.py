"""Statements asked of PostgreSQL from an event loop, on a link of their own: without a pool and without a thread, since
changing to one and back takes longer than a statement."""

import asyncio
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.sql.postgres import NETWORK

SECONDS = 1.0
"""So long is waited for an answer, and so long is nothing asked after there was none."""


class Glance:
    """For one event loop. Whoever gets None asks in another way, which tries again and says what is wrong."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._link: psycopg.AsyncConnection[Any] | None = None
        self._not_before = 0.0

    async def ask(self, statement: str, parameters: tuple[Any, ...]) -> list[Any] | None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            return None
        try:
            async with asyncio.timeout(SECONDS):
                if self._link is None or self._link.closed:
                    self._link = await psycopg.AsyncConnection.connect(
                        make_conninfo(self._url, **NETWORK | conninfo_to_dict(self._url)), autocommit=True)
                cursor = self._link.cursor(binary=True)
                await cursor.execute(statement.encode(), parameters, prepare=True)
                return await cursor.fetchall()
        except (psycopg.Error, TimeoutError):
            self._not_before = loop.time() + SECONDS
            self.close()
            return None

    def close(self) -> None:
        if self._link is not None:
            self._link.pgconn.finish()
            self._link = None
