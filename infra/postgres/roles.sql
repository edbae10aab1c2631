-- Roles of a career ledger in PostgreSQL. Run once as the owner of the database, after the ledger has made its tables
-- (`career-ledger --db postgresql://OWNER@HOST/DATABASE append FILE` makes them, or any other first command that writes):
--
--     psql "postgresql://OWNER@HOST/DATABASE" -f infra/postgres/roles.sql
--
-- career_ledger_writer  reads events and appends them. It cannot update, delete or truncate them, and it inserts only
--                       through career_ledger_append, which takes the table lock that keeps readers from missing events.
--                       It remembers the submissions from Kafka that were refused (`career-ledger intake`).
-- career_ledger_relay   reads events and keeps how far the topics go (`career-ledger publish`). It cannot append.
-- career_ledger_reader  reads events, and how far the topics go.
--
-- Neither can log in: grant them to your users, e.g.  GRANT career_ledger_writer TO registrar;
-- The owner of the tables is for installing and upgrading only. It too is stopped by a trigger from changing events.
-- LOCK TABLE ... IN EXCLUSIVE MODE would need UPDATE, DELETE or TRUNCATE (MAINTAIN from version 17): this is why the
-- function runs with its owner's rights instead of the writer having any of them.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'career_ledger_writer') THEN
        CREATE ROLE career_ledger_writer NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'career_ledger_reader') THEN
        CREATE ROLE career_ledger_reader NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'career_ledger_relay') THEN
        CREATE ROLE career_ledger_relay NOLOGIN;
    END IF;
END $$;

REVOKE ALL ON public.stored_events, public.career_ledger FROM PUBLIC, career_ledger_writer, career_ledger_reader;
REVOKE ALL ON SEQUENCE public.stored_events_notification_id_seq FROM PUBLIC, career_ledger_writer, career_ledger_reader;
REVOKE ALL ON FUNCTION public.career_ledger_append(uuid[], bigint[], text[], bytea[]) FROM PUBLIC, career_ledger_reader;

GRANT USAGE ON SCHEMA public TO career_ledger_writer, career_ledger_reader;
GRANT SELECT ON public.stored_events, public.career_ledger TO career_ledger_writer, career_ledger_reader;
GRANT EXECUTE ON FUNCTION public.career_ledger_append(uuid[], bigint[], text[], bytea[]) TO career_ledger_writer;

-- A ledger that is older than this table gets it when its owner first runs `career-ledger intake`, with the same grant.
DO $$
BEGIN
    IF to_regclass('public.refused_submissions') IS NOT NULL THEN
        REVOKE ALL ON public.refused_submissions FROM PUBLIC, career_ledger_writer, career_ledger_reader;
        GRANT SELECT, INSERT ON public.refused_submissions TO career_ledger_writer;
    END IF;
END $$;

-- Whoever sends or stores digests binds the ledger to its key once. An older ledger gets the function, with the same grant, when its owner
-- first opens it with this release.
DO $$
BEGIN
    IF to_regprocedure('public.career_ledger_adopt_key(text)') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION public.career_ledger_adopt_key(text) TO career_ledger_writer, career_ledger_relay;
    END IF;
END $$;

-- The same table as in ledger/relay/positions.py, which makes it where the owner runs `career-ledger publish`.
CREATE TABLE IF NOT EXISTS public.relay_positions (
    topic text PRIMARY KEY, topic_id text NOT NULL, partitions integer NOT NULL, law text NOT NULL, position bigint NOT NULL,
    complete_at text, at text NOT NULL, rate double precision NOT NULL, error text, error_at text);
REVOKE ALL ON public.relay_positions FROM PUBLIC, career_ledger_writer, career_ledger_reader, career_ledger_relay;
REVOKE ALL ON public.stored_events, public.career_ledger FROM career_ledger_relay;
GRANT USAGE ON SCHEMA public TO career_ledger_relay;
GRANT SELECT ON public.stored_events, public.career_ledger TO career_ledger_relay;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.relay_positions TO career_ledger_relay;
GRANT SELECT ON public.relay_positions TO career_ledger_reader;

-- The stored projections, where they were made before these roles.
DO $$
BEGIN
    IF to_regnamespace('projections') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA projections TO career_ledger_reader, career_ledger_writer;
        GRANT SELECT ON ALL TABLES IN SCHEMA projections TO career_ledger_reader, career_ledger_writer;
    END IF;
END $$;
