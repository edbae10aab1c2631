"""Who may do what with the tables of a ledger in PostgreSQL, in one place: a function that the migrations make, and that is called when
tables were made, by `career-ledger upgrade`, and by infra/postgres/roles.sql, which makes the roles and says what each is for.

The stored projections have a schema of their own, which belongs to whoever makes them."""

POSTGRES = """
CREATE OR REPLACE FUNCTION public.career_ledger_grant() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $body$
DECLARE
    roles text[] := ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname IN ('career_ledger_reader', 'career_ledger_intake',
        'career_ledger_projector', 'career_ledger_writer', 'career_ledger_importer', 'career_ledger_relay',
        'career_ledger_sequencer', 'career_ledger_student'));
    kept text[] := ARRAY(SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN (
        'stored_events', 'stored_events_notification_id_seq', 'career_ledger', 'career_ledger_migrations', 'refused_submissions',
        'career_ledger_epochs', 'relay_positions', 'relay_aside', 'log_tiles', 'log_checkpoints', 'student_heads', 'student_tiles'));
    others text[];
    known text[];
    one record;
BEGIN
    FOR one IN SELECT who, thing FROM unnest(kept) AS thing, unnest(array_append(roles, 'public')) AS who LOOP
        EXECUTE format('REVOKE ALL ON %s FROM ' || CASE one.who WHEN 'public' THEN 'PUBLIC' ELSE '%I' END, one.thing, one.who);
    END LOOP;
    FOR one IN
        SELECT role, may, thing FROM (VALUES
            ('SELECT', 'public.stored_events', '{reader, intake, writer, projector, relay, sequencer, student}'),
            ('SELECT', 'public.career_ledger', '{reader, intake, writer, projector, relay, sequencer, student}'),
            ('SELECT', 'public.career_ledger_migrations', '{reader, intake, writer, projector, relay, sequencer, student}'),
            ('SELECT', 'public.career_ledger_epochs', '{reader, intake, writer, projector, relay, sequencer, student}'),
            ('SELECT', 'public.refused_submissions', '{intake, writer}'),
            ('SELECT', 'public.relay_positions', '{reader, intake, writer}'),
            ('SELECT', 'public.relay_aside', '{reader}'),
            ('SELECT, INSERT, UPDATE, DELETE', 'public.relay_positions', '{relay}'),
            ('SELECT, INSERT, UPDATE, DELETE', 'public.relay_aside', '{relay}'),
            ('SELECT', 'public.log_tiles', '{reader}'),
            -- whoever writes looks whether what was signed is in it
            ('SELECT', 'public.log_checkpoints', '{reader, intake, writer, relay}'),
            ('SELECT', 'public.student_heads', '{reader}'),
            ('SELECT', 'public.student_tiles', '{reader}'),
            ('SELECT, INSERT, UPDATE', 'public.log_tiles', '{sequencer}'),
            ('SELECT, INSERT, UPDATE', 'public.log_checkpoints', '{sequencer}'),
            ('SELECT, INSERT, UPDATE', 'public.student_heads', '{sequencer}'),
            ('SELECT, INSERT, UPDATE', 'public.student_tiles', '{sequencer}')) AS given (may, thing, who),
            LATERAL unnest(who::text[]) AS short, LATERAL (SELECT 'career_ledger_' || short AS role) AS named
        WHERE role = ANY (roles) AND to_regclass(thing) IS NOT NULL
    LOOP
        EXECUTE format('GRANT %s ON %s TO %I', one.may, one.thing, one.role);
    END LOOP;
    FOR one IN
        SELECT role, call FROM (VALUES
            ('public.career_ledger_append(uuid[], bigint[], text[], bytea[])', '{intake, writer}'),
            ('public.career_ledger_refuse(text[], bytea[], bytea[], bytea[])', '{intake, writer}'),
            ('public.career_ledger_forget(uuid, text)', '{writer}'),
            -- whoever sends or stores digests binds the ledger to its key once
            ('public.career_ledger_adopt_key(text)', '{intake, writer, relay}')) AS given (call, who),
            LATERAL unnest(who::text[]) AS short, LATERAL (SELECT 'career_ledger_' || short AS role) AS named
        WHERE role = ANY (roles)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', one.call, one.role);
    END LOOP;
    IF to_regclass('public.stored_events') IS NULL THEN
        RETURN;
    END IF;
    others := ARRAY(SELECT who FROM unnest(roles) AS who WHERE who <> 'career_ledger_student' ORDER BY who);
    known := ARRAY(SELECT rolname::text FROM pg_policy JOIN pg_roles ON pg_roles.oid = ANY (polroles)
        WHERE polrelid = 'public.stored_events'::regclass AND polname = 'processes' ORDER BY rolname::text);
    IF others <> '{}' AND others <> known THEN  -- of either the table is locked for a moment
        EXECUTE format(CASE known WHEN '{}' THEN 'CREATE POLICY processes ON public.stored_events TO %s USING (true)'
            ELSE 'ALTER POLICY processes ON public.stored_events TO %s' END,
            (SELECT string_agg(quote_ident(who), ', ') FROM unnest(others) AS who));
    END IF;
    IF 'career_ledger_student' = ANY (roles) AND NOT EXISTS (
        SELECT FROM pg_policy WHERE polrelid = 'public.stored_events'::regclass AND polname = 'her_own') THEN
        CREATE POLICY her_own ON public.stored_events FOR SELECT TO career_ledger_student
            USING (originator_id = nullif(current_setting('career_ledger.stream', true), '')::uuid);
    END IF;
END $body$;
REVOKE ALL ON FUNCTION public.career_ledger_grant() FROM PUBLIC;
"""
ROWS = """
CREATE POLICY everybody ON public.stored_events USING (current_user <> 'career_ledger_student');
ALTER TABLE public.stored_events ENABLE ROW LEVEL SECURITY;
"""
"""Everybody sees every row but the role that a student's questions take on, which sees what `her_own` shows it. For the
roles of the processes `processes` says so without looking at each row. The owner is bound by none of them."""
GRANT = "SELECT public.career_ledger_grant()"
