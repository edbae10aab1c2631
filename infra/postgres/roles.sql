-- Roles of a career ledger in PostgreSQL. Run once as the owner of the database, after the ledger has made its tables
-- (`career-ledger --db postgresql://OWNER@HOST/DATABASE append FILE` makes them, or any other first command that writes):
--
--     psql "postgresql://OWNER@HOST/DATABASE" -f infra/postgres/roles.sql
--
-- career_ledger_writer  reads events and appends them. It cannot update, delete or truncate them, and it inserts only
--                       through career_ledger_append, which takes the table lock that keeps readers from missing events.
-- career_ledger_reader  reads events.
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
END $$;

REVOKE ALL ON public.stored_events, public.career_ledger FROM PUBLIC, career_ledger_writer, career_ledger_reader;
REVOKE ALL ON SEQUENCE public.stored_events_notification_id_seq FROM PUBLIC, career_ledger_writer, career_ledger_reader;
REVOKE ALL ON FUNCTION public.career_ledger_append(uuid[], bigint[], text[], bytea[]) FROM PUBLIC, career_ledger_reader;

GRANT USAGE ON SCHEMA public TO career_ledger_writer, career_ledger_reader;
GRANT SELECT ON public.stored_events, public.career_ledger TO career_ledger_writer, career_ledger_reader;
GRANT EXECUTE ON FUNCTION public.career_ledger_append(uuid[], bigint[], text[], bytea[]) TO career_ledger_writer;
