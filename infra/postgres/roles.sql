-- Roles of a career ledger in PostgreSQL. Run as the owner of the database, once and after an update, beside the command that makes its
-- tables or brings them up to date, in either order:
--
--     psql "postgresql://OWNER@HOST/DATABASE" -f infra/postgres/roles.sql
--     career-ledger --db "postgresql://OWNER@HOST/DATABASE" upgrade
--
-- What each role may do with the ledger's tables is said in ledger/store/rights.py; the migrations make a function of it.
--
-- One role a process; none can do what another is for:
-- career_ledger_reader     questions, `report`, `find`, `audit`: reads events, stored projections, and how far the topics go.
-- career_ledger_intake     `intake`: reads events, appends them, and remembers the submissions that were refused, both through functions
--                          that take the table lock, which keeps readers from missing events, and check what they are given. It cannot
--                          update, delete, truncate, or insert past them, nor record at moments that lie in the past.
-- career_ledger_writer     `append`: the same, and what a projector does, for `append --wait` where nobody follows.
-- career_ledger_importer   `append --mode record` of history: a writer who may record at moments that lie in the past.
-- career_ledger_projector  `project`, `projection rebuild`: reads events, makes and keeps the stored projections. It cannot append.
-- career_ledger_relay      `publish`: reads events and keeps how far the topics go. It cannot append.
-- career_ledger_sequencer  `checkpoint`: reads events, keeps tiles, heads and checkpoints. It cannot append.
-- career_ledger_student    taken on by `serve` for a student's questions, with her stream in `career_ledger.stream`: reads her events and no
--                          other, whatever is asked. Grant it to the user of `serve` beside its own role.
--
-- None can log in: grant them to your users, e.g.  GRANT career_ledger_writer TO registrar;
-- The owner of the tables is for installing and upgrading only. It too is stopped by a trigger from changing events.
-- LOCK TABLE ... IN EXCLUSIVE MODE would need UPDATE, DELETE or TRUNCATE (MAINTAIN from version 17): this is why the
-- function runs with its owner's rights instead of the writer having any of them.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['reader', 'intake', 'projector', 'writer', 'importer', 'relay', 'sequencer', 'student'] LOOP
        name := 'career_ledger_' || name;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- somebody else was faster: roles belong to all databases of a server
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role('career_ledger_writer', 'career_ledger_intake', 'MEMBER') THEN
        GRANT career_ledger_intake TO career_ledger_writer;
    END IF;
    IF NOT pg_has_role('career_ledger_writer', 'career_ledger_projector', 'MEMBER') THEN
        GRANT career_ledger_projector TO career_ledger_writer;
    END IF;
    IF NOT pg_has_role('career_ledger_importer', 'career_ledger_writer', 'MEMBER') THEN
        GRANT career_ledger_writer TO career_ledger_importer;
    END IF;
    IF NOT pg_has_role(current_user, 'career_ledger_projector', 'MEMBER') THEN  -- the owner goes on making projections too
        EXECUTE format('GRANT career_ledger_projector TO %I', current_user);
    END IF;
    IF NOT pg_has_role(current_user, 'career_ledger_student', 'MEMBER') THEN
        EXECUTE format('GRANT career_ledger_student TO %I', current_user);
    END IF;
END $$;

GRANT USAGE ON SCHEMA public TO career_ledger_reader, career_ledger_intake, career_ledger_projector, career_ledger_writer,
    career_ledger_relay, career_ledger_sequencer, career_ledger_student;

DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('career-ledger migrations'));  -- an upgrade may be giving the same rights
    IF to_regprocedure('public.career_ledger_grant()') IS NOT NULL THEN
        PERFORM public.career_ledger_grant();
    END IF;
END $$;

-- The schemas `projections` and, during a rebuild, `projections_new` belong to the projector, whoever makes them.
DO $$
DECLARE
    found record;
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO career_ledger_projector', current_database());
    FOR found IN SELECT oid, nspname AS name FROM pg_namespace WHERE nspname IN ('projections', 'projections_new') LOOP
        EXECUTE format('ALTER SCHEMA %I OWNER TO career_ledger_projector', found.name);
        EXECUTE (SELECT coalesce(string_agg(format('ALTER TABLE %s OWNER TO career_ledger_projector;', oid::regclass), ''), '')
                 FROM pg_class WHERE relnamespace = found.oid AND relkind = 'r');
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO career_ledger_reader', found.name);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO career_ledger_reader', found.name);
    END LOOP;
END $$;
