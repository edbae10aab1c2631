"""Make or drop a database on the server named in CAREER_LEDGER_TEST_POSTGRES: `database.py create|drop NAME`."""

import os
import sys

import psycopg
from psycopg import sql

STATEMENTS = {"create": sql.SQL("CREATE DATABASE {}"), "drop": sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")}

if __name__ == "__main__":
    action, name = sys.argv[1:]
    with psycopg.connect(os.environ["CAREER_LEDGER_TEST_POSTGRES"], autocommit=True) as connection:
        connection.execute(STATEMENTS[action].format(sql.Identifier(name)))
