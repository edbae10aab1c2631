SET check_function_bodies = false;
CREATE SCHEMA projections;
CREATE FUNCTION public.career_ledger_adopt_key(key_check text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$ UPDATE public.career_ledger SET digest_key = key_check WHERE digest_key IS NULL AND key_check ~ '^[0-9a-f]{32}$' $_$;
CREATE FUNCTION public.career_ledger_append(streams uuid[], versions bigint[], names text[], states bytea[]) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '20s'
    AS $$
DECLARE
    before bigint;
BEGIN
    LOCK TABLE public.stored_events IN EXCLUSIVE MODE;
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO before FROM public.stored_events_notification_id_seq;
    IF cardinality(streams) = 1 THEN  -- most calls are of one event: the same, without grouping and sorting
        IF versions[1] <> 1 + coalesce((
            SELECT max(e.originator_version) FROM public.stored_events AS e WHERE e.originator_id = streams[1]), 0)
        THEN
            RAISE unique_violation USING MESSAGE = 'the stream does not stand at the version before the event';
        END IF;
        NOTIFY stored_events;
        RETURN QUERY
            INSERT INTO public.stored_events (originator_id, originator_version, topic, state)
            VALUES (streams[1], versions[1], names[1], states[1])
            RETURNING notification_id;
        PERFORM public.career_ledger_check(before + 1, before + cardinality(streams));
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT stream, min(version) AS version FROM unnest(streams, versions) AS n (stream, version) GROUP BY stream) AS new
        WHERE new.version <> 1 + coalesce((
            SELECT max(e.originator_version) FROM public.stored_events AS e WHERE e.originator_id = new.stream), 0))
    THEN
        RAISE unique_violation USING MESSAGE = 'the stream does not stand at the version before the first event';
    END IF;
    NOTIFY stored_events;
    RETURN QUERY
        INSERT INTO public.stored_events (originator_id, originator_version, topic, state)
        SELECT n.stream, n.version, n.name, n.state
        FROM unnest(streams, versions, names, states) WITH ORDINALITY AS n (stream, version, name, state, nth)
        ORDER BY n.nth
        RETURNING notification_id;
    PERFORM public.career_ledger_check(before + 1, before + cardinality(streams));
END;
$$;
CREATE FUNCTION public.career_ledger_check(first bigint, until bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
DECLARE  -- what has just been inserted, by its positions; `stream` to `ids`: how the event before it leaves its stream
    latest timestamptz := clock_timestamp() + interval '60 s';
    oldest timestamptz := clock_timestamp() - interval '900 s';
    stream uuid; version bigint; student text; last timestamptz; held bigint; ids text[]; e record; wrong text;
BEGIN
    FOR e IN
        SELECT n.originator_id AS stream, n.originator_version AS version, n.state, j.id, j.student, spelled, moment,
               n.topic = ANY ('{administrative-block-ordered.v1,administrative-block-revoked.v1,cfu-recognised.v1,charge-decided.v1,contribution-assessed.v1,degree-candidacy-declared.v1,diploma-supplement-issued.v1,enrolled-with-reservation.v1,enrolled.v1,enrolment-cancelled.v1,enrolment-renewed.v1,event-voided.v1,exam-annulled.v1,exam-booked.v1,exam-booking-cancelled.v1,exam-graded.v1,forfeited.v1,grade-refused.v1,graduated.v1,instalment-paid.v1,instalment-plan-agreed.v1,isee-certified.v1,payment-moved.v1,payment-refunded.v1,person-forgotten.v1,person-registered.v1,preenrolled.v1,preparation-assessed.v1,programme-changed.v1,ranked.v1,recognition-requested.v1,regime-changed.v1,renounced.v1,reservation-declined.v1,reservation-lifted.v1,resumed.v1,single-courses-enrolled.v1,study-plan-approved.v1,study-plan-submitted.v1,suspended.v1,ticket-closed.v1,ticket-linked.v1,ticket-opened.v1,transferred-in.v1,transferred-out.v1,withdrawal-requested.v1}') AS known,
               substring(n.state FROM octet_length(n.state) - octet_length(ending) + 1) = ending AS agrees,
               position(spelled IN n.state) > 0 AND left(j.data::text, 1) = '{' AND j.recorded_at LIKE '____-__-__T__:__:__%Z' AS formed,
               n.topic = ANY ('{person-registered.v1}') AND (j.data::text <> '{}' OR position('\x2c227365616c6564223a7b22626f78223a22'::bytea IN n.state) = 0)
                   AS clear
        FROM public.stored_events AS n, LATERAL json_to_record(convert_from(n.state, 'UTF8')::json)
            AS j (id text, student text, recorded_at text, data json),
            LATERAL (SELECT convert_to(',"id":' || to_json(j.id) || ',', 'UTF8') AS spelled, j.recorded_at::timestamptz AS moment,
                convert_to(',"student":"' || j.student || '","type":"' || split_part(n.topic, '.v', 1) || '","version":'
                           || n.originator_version || '}', 'UTF8') AS ending OFFSET 0) AS told
        WHERE n.notification_id BETWEEN first AND until ORDER BY n.originator_id, n.originator_version
    LOOP
        IF stream IS DISTINCT FROM e.stream THEN
            stream := e.stream; ids := '{}'; held := e.version - 1;
            IF held = 0 THEN
                version := 0; student := e.student; last := '-infinity';
                IF e.student IS NULL OR public.career_ledger_stream(e.student) <> stream THEN
                    RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'an event is not stored: its student is another one than that of its stream';
                END IF;
            ELSE
                SELECT p.originator_version, split_part(split_part(t, ',"student":"', -1), '"', 1),
                       split_part(split_part(t, ',"recorded_at":"', 2), '"', 1)::timestamptz
                INTO version, student, last
                FROM (SELECT s.originator_version, convert_from(s.state, 'UTF8') AS t FROM public.stored_events AS s
                      WHERE s.originator_id = stream AND s.originator_version = held OFFSET 0) AS p;
            END IF;
        END IF;
        IF e.moment < oldest AND public.career_ledger_may_import() THEN
            oldest := '-infinity';
        END IF;
        wrong := CASE
            WHEN e.known AND e.agrees AND e.formed AND e.version = version + 1 AND e.student = student AND e.moment >= last
                AND (e.moment <= latest OR e.moment = last)
                AND e.moment >= oldest AND NOT e.id = ANY (ids) AND e.clear IS NOT TRUE THEN NULL
            WHEN e.known IS NOT TRUE THEN 'an event is not stored: its stored name is none that this version of the database knows (`career-ledger upgrade` brings it up to date)'
            WHEN e.version IS DISTINCT FROM version + 1 THEN 'an event is not stored: its version is not the next one of its stream'
            WHEN e.student IS DISTINCT FROM student THEN 'an event is not stored: its student is another one than that of its stream'
            WHEN e.agrees IS NOT TRUE THEN 'an event is not stored: its bytes do not end with the student, type and version of its row, as canonical JSON does'
            WHEN e.formed IS NOT TRUE THEN 'an event is not stored: its id, data or recorded_at are missing or not in canonical form'
            WHEN e.clear THEN 'an event is not stored: personal data are stored sealed only'
            WHEN e.moment < last THEN 'an event is not stored: recorded_at lies before that of the student''s last event'
            WHEN e.moment > latest THEN 'an event is not stored: recorded_at lies after the clock of the database: set the clock of the machine that appends'
            WHEN e.moment < oldest THEN 'an event is not stored: recorded_at lies in the past, which only career_ledger_importer may record: leave it out, have that role granted, or set the clock of the machine that appends'
            ELSE 'an event is not stored: its student has an event with the same submission id' END;
        IF wrong IS NULL AND held > 0 THEN
            -- IS TRUE: not by the index of versions, which holds all events of the stream
            PERFORM FROM public.stored_events AS s WHERE hashtextextended(split_part(split_part(encode(s.state, 'escape'), ',"effective_on":"', -1), '","', 2), uuid_hash(s.originator_id)) = hashtextextended(split_part(split_part(encode(e.state, 'escape'), ',"effective_on":"', -1), '","', 2), uuid_hash(stream))
                AND (s.originator_id = stream AND s.originator_version <= held) IS TRUE AND position(e.spelled IN s.state) > 0;
            wrong := CASE WHEN FOUND THEN 'an event is not stored: its student has an event with the same submission id' END;
        END IF;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = wrong;
        END IF;
        version := e.version; last := e.moment; ids := array_append(ids, e.id);
    END LOOP;
EXCEPTION WHEN invalid_text_representation OR invalid_parameter_value OR character_not_in_repertoire OR untranslatable_character
        OR invalid_datetime_format OR datetime_field_overflow THEN
    RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'an event is not stored: its bytes are no JSON object with an instant' || ' (' || SQLERRM || ')';
END $$;
CREATE FUNCTION public.career_ledger_forget(stream uuid, who text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE  -- how many of her submissions were remembered
    gone bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM public.stored_events WHERE originator_id = stream AND topic LIKE 'person-forgotten.v%'
                   AND convert_from(state, 'UTF8')::json ->> 'student' = who)
    THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'the log does not say that this person was forgotten';
    END IF;
    DELETE FROM public.refused_submissions WHERE student = who;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
CREATE FUNCTION public.career_ledger_grant() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'error'
    AS $$
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
END $$;
CREATE FUNCTION public.career_ledger_may_import() RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN EXISTS (SELECT FROM pg_roles WHERE rolname = 'career_ledger_importer' AND pg_has_role(session_user, oid, 'MEMBER'))
        OR (SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'public.stored_events'::regclass);
END $$;
CREATE FUNCTION public.career_ledger_refuse(students text[], ids bytea[], contents bytea[], outcomes bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE  -- how many of them nobody had remembered
    added bigint;
BEGIN
    IF EXISTS (
        SELECT FROM unnest(students, ids, contents, outcomes) AS n (student, id, content, outcome),
            LATERAL (SELECT convert_from(n.outcome, 'UTF8') AS t OFFSET 0) AS decoded
        WHERE (n.student ~ '^[A-Za-z0-9._-]{1,64}$' AND octet_length(n.id) BETWEEN 1 AND 800 AND octet_length(n.content) = 33
               AND json_typeof(t::json) = 'object' AND t ~ '"outcome": ?"(refused|invalid)"') IS NOT TRUE)
    THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'a refused submission is not stored: its student, id, digest or outcome has not the form that they have';
    END IF;
    INSERT INTO public.refused_submissions (student, id, content, outcome)
    SELECT * FROM unnest(students, ids, contents, outcomes) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $_$;
CREATE FUNCTION public.career_ledger_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation',
        MESSAGE = 'a recorded event is never changed or deleted: ' || TG_OP || ' on stored_events is refused',
        HINT = 'Submit an event-voided event that names it, then the fact as it should be.';
END;
$$;
CREATE FUNCTION public.career_ledger_stream(student text) RETURNS uuid
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE  -- uuid5 of the student: SHA-1, which PostgreSQL has in an extension only
    m bytea := '\x5b0ac2a46a0d5a4f9a3e3d1b8f8a7c10'::bytea || convert_to(student, 'UTF8');
    h bigint[] := '{1732584193, 4023233417, 2562383102, 271733878, 3285377520}';
    a bigint; b bigint; c bigint; d bigint; e bigint; x bigint; w bigint[];
BEGIN
    m := m || '\x80'::bytea || decode(repeat('00', (119 - octet_length(m) % 64) % 64), 'hex') || int8send(octet_length(m) * 8::bigint);
    FOR k IN 0 .. octet_length(m) / 64 - 1 LOOP
        FOR i IN 1 .. 16 LOOP
            w[i] := ('x' || encode(substring(m FROM k * 64 + i * 4 - 3 FOR 4), 'hex'))::bit(32)::bigint;
        END LOOP;
        FOR i IN 17 .. 80 LOOP
            x := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
            w[i] := ((x << 1) | (x >> 31)) & 4294967295;
        END LOOP;
        a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
        FOR i IN 1 .. 80 LOOP
            x := ((a << 5) | (a >> 27)) + e + w[i] + CASE (i - 1) / 20
                WHEN 0 THEN (d # (b & (c # d))) + 1518500249
                WHEN 1 THEN (b # c # d) + 1859775393
                WHEN 2 THEN ((b & c) | (d & (b | c))) + 2400959708
                ELSE (b # c # d) + 3395469782 END;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & 4294967295; b := a; a := x & 4294967295;
        END LOOP;
        h := ARRAY[(h[1] + a) & 4294967295, (h[2] + b) & 4294967295, (h[3] + c) & 4294967295, (h[4] + d) & 4294967295,
                   (h[5] + e) & 4294967295];
    END LOOP;
    h[2] := h[2] & 4294905855 | 20480;
    h[3] := h[3] & 1073741823 | 2147483648;
    RETURN (lpad(to_hex(h[1]), 8, '0') || lpad(to_hex(h[2]), 8, '0') || lpad(to_hex(h[3]), 8, '0') || lpad(to_hex(h[4]), 8, '0'))::uuid;
END $$;
CREATE TABLE projections.aside (
    stream text NOT NULL,
    student text,
    "position" bigint NOT NULL,
    why text NOT NULL
);
CREATE TABLE projections.blocks (
    student text NOT NULL,
    career text,
    kind text,
    rule text,
    charge text,
    from_on date NOT NULL,
    until_on date,
    amount bigint
);
CREATE TABLE projections.bookings (
    student text NOT NULL,
    career text,
    course text,
    held_on date,
    from_on date NOT NULL,
    until_on date
);
CREATE TABLE projections.charges (
    student text NOT NULL,
    career text,
    charge text,
    from_on date NOT NULL,
    until_on date,
    state text,
    amount bigint,
    due_on date,
    raised_on date,
    paid bigint,
    paid_on date,
    refunded bigint,
    waived bigint,
    moved bigint,
    outstanding bigint,
    overdue bigint,
    accruing bigint,
    rule text,
    refundable bigint,
    refund_by date,
    refund_rule text
);
CREATE TABLE projections.exams (
    student text NOT NULL,
    career text,
    course text,
    held_on date,
    from_on date NOT NULL,
    until_on date,
    outcome text,
    grade bigint,
    cfu double precision
);
CREATE TABLE projections.forfeitable (
    student text NOT NULL,
    career text,
    from_on date NOT NULL,
    until_on date,
    rule text
);
CREATE TABLE projections.gaps (
    student text NOT NULL,
    career text,
    about text,
    name text,
    from_on date NOT NULL,
    until_on date,
    rule text,
    academic_year text,
    missing text
);
CREATE TABLE projections.migrations (
    part text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    applied_at text NOT NULL
);
CREATE TABLE projections.money (
    student text NOT NULL,
    career text,
    charge text,
    from_on date NOT NULL,
    until_on date,
    kind text,
    amount bigint
);
CREATE TABLE projections."position" (
    partition_no integer NOT NULL,
    partitions integer NOT NULL,
    "position" bigint NOT NULL,
    law text NOT NULL,
    origin text NOT NULL,
    epoch integer NOT NULL,
    mark text NOT NULL
);
CREATE TABLE projections.status (
    student text NOT NULL,
    career text,
    from_on date NOT NULL,
    until_on date,
    status text,
    programme text,
    course_type text,
    academic_year text,
    year bigint,
    regime text,
    reservation boolean,
    cfu_recognised double precision,
    cfu_passed double precision
);
CREATE TABLE public.career_ledger (
    schema_version integer NOT NULL,
    origin text,
    epoch integer,
    digest_key text
);
CREATE TABLE public.career_ledger_epochs (
    epoch bigint NOT NULL,
    accepted_at text NOT NULL,
    "position" bigint NOT NULL,
    reached bigint NOT NULL,
    lost_size bigint NOT NULL,
    lost_root bytea NOT NULL,
    authorities text NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.career_ledger_migrations (
    part text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    applied_at text NOT NULL
);
CREATE TABLE public.refused_submissions (
    student text NOT NULL,
    id bytea NOT NULL,
    content bytea NOT NULL,
    outcome bytea NOT NULL
);
CREATE TABLE public.relay_aside (
    topic text NOT NULL,
    stream text NOT NULL,
    student text,
    "position" bigint NOT NULL,
    why text NOT NULL
);
CREATE TABLE public.relay_positions (
    topic text NOT NULL,
    topic_id text NOT NULL,
    partitions integer NOT NULL,
    law text NOT NULL,
    "position" bigint NOT NULL,
    complete_at text,
    at text NOT NULL,
    rate double precision NOT NULL,
    error text,
    error_at text
);
CREATE TABLE public.stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint NOT NULL
)
WITH (autovacuum_vacuum_threshold='100000000', autovacuum_vacuum_scale_factor='0.5', autovacuum_analyze_threshold='1000', autovacuum_analyze_scale_factor='0.01');
CREATE SEQUENCE public.stored_events_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.stored_events_notification_id_seq OWNED BY public.stored_events.notification_id;
ALTER TABLE ONLY public.stored_events ALTER COLUMN notification_id SET DEFAULT nextval('public.stored_events_notification_id_seq'::regclass);
INSERT INTO projections.blocks VALUES ('S-DEMO-16', 'B', 'exam-booking', 'BLK-1', '2025-26:instalment-1', '2026-03-20', NULL, 40000);
INSERT INTO projections.blocks VALUES ('S-DEMO-16', 'B', 'administrative', 'BLK-3', '2025-26:instalment-1', '2026-10-01', NULL, 40000);
INSERT INTO projections.blocks VALUES ('S-DEMO-16', 'B', 'exam-booking', 'BLK-1', '2025-26:instalment-2', '2026-06-15', NULL, 30000);
INSERT INTO projections.blocks VALUES ('S-DEMO-16', 'B', 'administrative', 'BLK-3', '2025-26:instalment-2', '2026-10-01', NULL, 30000);
INSERT INTO projections.blocks VALUES ('S-DEMO-16', 'B', 'final-exam', 'BLK-2', '2025-26:instalment-1', '2026-02-18', NULL, 40000);
INSERT INTO projections.blocks VALUES ('S-DEMO-16', 'B', 'final-exam', 'BLK-2', '2025-26:instalment-2', '2026-05-16', NULL, 30000);
INSERT INTO projections.blocks VALUES ('S-DEMO-01', 'B', 'exam-booking', 'BLK-1', '2025-26:instalment-1', '2026-03-20', '2026-04-20', 40000);
INSERT INTO projections.blocks VALUES ('S-DEMO-01', 'B', 'final-exam', 'BLK-2', '2025-26:instalment-1', '2026-02-18', '2026-04-20', 40000);
INSERT INTO projections.blocks VALUES ('S-DEMO-01', 'B', 'final-exam', 'BLK-2', '2025-26:late-fee/instalment-1', '2026-04-21', '2026-05-02', 6000);
INSERT INTO projections.blocks VALUES ('S-DEMO-02', 'M', 'reservation', 'BLK-5', NULL, '2025-11-05', '2026-03-26', NULL);
INSERT INTO projections.blocks VALUES ('S-DEMO-03', 'M', 'final-exam', 'BLK-2', '2025-26:isee-penalty', '2026-03-03', '2026-05-20', 15000);
INSERT INTO projections.bookings VALUES ('S-DEMO-16', 'B', 'ART-300', '2026-02-05', '2026-01-25', '2026-02-05');
INSERT INTO projections.bookings VALUES ('S-DEMO-16', 'B', 'FIL-101', '2026-06-18', '2026-06-03', NULL);
INSERT INTO projections.bookings VALUES ('S-DEMO-01', 'B', 'FIL-101', '2026-02-03', '2026-01-20', '2026-02-03');
INSERT INTO projections.bookings VALUES ('S-DEMO-01', 'B', 'FIL-102', '2026-06-15', '2026-05-28', '2026-06-15');
INSERT INTO projections.bookings VALUES ('S-DEMO-02', 'M', 'ETI-501', '2026-06-22', '2026-05-25', NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-11', 'B', '2023-24:enrolment', '2023-09-20', NULL, 'paid', 15600, '2023-10-03', '2023-09-20', 15600, '2023-09-20', 0, 0, 0, 0, 0, 0, 'CHG-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-11', 'B', '2024-25:enrolment', '2024-09-20', NULL, 'paid', 15600, '2024-10-04', '2024-09-20', 15600, '2024-09-20', 0, 0, 0, 0, 0, 0, 'CHG-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-12', 'B', '2023-24:enrolment', '2023-09-20', NULL, 'paid', 15600, '2023-10-03', '2023-09-20', 15600, '2023-09-20', 0, 0, 0, 0, 0, 0, 'CHG-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-12', 'B', '2024-25:enrolment', '2024-09-20', NULL, 'paid', 15600, '2024-10-04', '2024-09-20', 15600, '2024-09-20', 0, 0, 0, 0, 0, 0, 'CHG-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-1', '2026-01-10', '2026-02-18', 'to-come', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 0, 0, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-1', '2026-02-18', '2026-03-20', 'overdue', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 40000, 2000, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-1', '2026-03-20', '2026-04-19', 'overdue', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 40000, 4000, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-2', '2026-01-10', '2026-05-16', 'to-come', 30000, '2026-05-15', '2026-01-10', 0, NULL, 0, 0, 0, 30000, 0, 0, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-1', '2026-04-19', '2026-05-19', 'overdue', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 40000, 6000, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-2', '2026-05-16', '2026-06-15', 'overdue', 30000, '2026-05-15', '2026-01-10', 0, NULL, 0, 0, 0, 30000, 30000, 2000, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-2', '2026-06-15', '2026-07-15', 'overdue', 30000, '2026-05-15', '2026-01-10', 0, NULL, 0, 0, 0, 30000, 30000, 4000, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-2', '2026-07-15', '2026-08-14', 'overdue', 30000, '2026-05-15', '2026-01-10', 0, NULL, 0, 0, 0, 30000, 30000, 6000, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:enrolment', '2025-09-20', NULL, 'paid', 15600, '2025-10-03', '2025-09-20', 15600, '2025-09-20', 0, 0, 0, 0, 0, 0, 'CHG-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-1', '2026-05-19', NULL, 'overdue', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 40000, 8000, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-16', 'B', '2025-26:instalment-2', '2026-08-14', NULL, 'overdue', 30000, '2026-05-15', '2026-01-10', 0, NULL, 0, 0, 0, 30000, 30000, 8000, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:instalment-1', '2026-01-10', '2026-02-18', 'to-come', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 0, 0, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:instalment-1', '2026-02-18', '2026-03-20', 'overdue', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 40000, 2000, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:instalment-1', '2026-03-20', '2026-04-19', 'overdue', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 40000, 4000, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:instalment-1', '2026-04-19', '2026-04-20', 'overdue', 40000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 40000, 40000, 6000, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:late-fee/instalment-1', '2026-04-20', '2026-04-21', 'to-come', 6000, NULL, '2026-04-20', 0, NULL, 0, 0, 0, 6000, 0, 0, 'MOR-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:late-fee/instalment-1', '2026-04-21', '2026-05-02', 'overdue', 6000, NULL, '2026-04-20', 0, NULL, 0, 0, 0, 6000, 6000, 0, 'MOR-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:instalment-2', '2026-01-10', '2026-05-15', 'to-come', 51200, '2026-05-15', '2026-01-10', 0, NULL, 0, 0, 0, 51200, 0, 0, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:enrolment', '2025-09-20', NULL, 'paid', 15600, '2025-10-03', '2025-09-20', 15600, '2025-09-20', 0, 0, 0, 0, 0, 0, 'CHG-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:instalment-1', '2026-04-20', NULL, 'paid', 40000, '2026-02-17', '2026-01-10', 40000, '2026-04-20', 0, 0, 0, 0, 0, 0, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:instalment-2', '2026-05-15', NULL, 'paid', 51200, '2026-05-15', '2026-01-10', 51200, '2026-05-15', 0, 0, 0, 0, 0, 0, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-01', 'B', '2025-26:late-fee/instalment-1', '2026-05-02', NULL, 'paid', 6000, NULL, '2026-04-20', 6000, '2026-05-02', 0, 0, 0, 0, 0, 0, 'MOR-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-02', 'M', '2025-26:instalment-1', '2026-01-10', '2026-02-16', 'to-come', 43000, '2026-02-17', '2026-01-10', 0, NULL, 0, 0, 0, 43000, 0, 0, 'RAT-5', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-02', 'M', '2025-26:preenrolment', '2025-09-10', NULL, 'paid', 5200, '2025-09-10', '2025-09-10', 5200, '2025-09-10', 0, 0, 0, 0, 0, 0, 'CHG-1', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-02', 'M', '2025-26:enrolment', '2025-11-05', NULL, 'paid', 15600, '2025-11-14', '2025-11-05', 15600, '2025-11-05', 0, 0, 0, 0, 0, 0, 'CHG-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-02', 'M', '2025-26:instalment-1', '2026-02-16', NULL, 'paid', 43000, '2026-02-17', '2026-01-10', 43000, '2026-02-16', 0, 0, 0, 0, 0, 0, 'RAT-5', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:instalment-1', '2026-01-12', '2026-02-10', 'to-come', 40000, '2026-02-17', '2026-01-12', 0, NULL, 0, 0, 0, 40000, 0, 0, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:isee-penalty', '2026-03-02', '2026-03-03', 'to-come', 15000, NULL, '2026-03-02', 0, NULL, 0, 0, 0, 15000, 0, 0, 'ISE-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:instalment-2', '2026-01-12', '2026-05-14', 'to-come', 84000, '2026-05-15', '2026-01-12', 0, NULL, 0, 0, 0, 84000, 0, 0, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:isee-penalty', '2026-03-03', '2026-05-20', 'overdue', 15000, NULL, '2026-03-02', 0, NULL, 0, 0, 0, 15000, 15000, 0, 'ISE-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:preenrolment', '2025-05-10', NULL, 'paid', 5200, '2025-05-10', '2025-05-10', 5200, '2025-05-10', 0, 0, 0, 0, 0, 0, 'CHG-1', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:enrolment', '2025-07-03', NULL, 'paid', 15600, '2025-07-04', '2025-07-03', 15600, '2025-07-03', 0, 0, 0, 0, 0, 0, 'CHG-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:instalment-1', '2026-02-10', NULL, 'paid', 40000, '2026-02-17', '2026-01-12', 40000, '2026-02-10', 0, 0, 0, 0, 0, 0, 'RAT-3', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:instalment-2', '2026-05-14', NULL, 'paid', 84000, '2026-05-15', '2026-01-12', 84000, '2026-05-14', 0, 0, 0, 0, 0, 0, 'RAT-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-03', 'M', '2025-26:isee-penalty', '2026-05-20', NULL, 'paid', 15000, NULL, '2026-03-02', 15000, '2026-05-20', 0, 0, 0, 0, 0, 0, 'ISE-2', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-04', 'SC', '2025-26:single-courses', '2026-04-24', '2026-05-08', 'payable', 27000, '2026-05-19', '2026-04-24', 0, NULL, 0, 0, 0, 27000, 0, 0, 'CS-9', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-04', 'SC', '2025-26:single-courses-stamp', '2026-04-24', '2026-05-08', 'payable', 1600, '2026-05-19', '2026-04-24', 0, NULL, 0, 0, 0, 1600, 0, 0, 'CS-4', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-04', 'SC', '2025-26:single-courses', '2026-05-08', NULL, 'paid', 27000, '2026-05-19', '2026-04-24', 27000, '2026-05-08', 0, 0, 0, 0, 0, 0, 'CS-9', 0, NULL, NULL);
INSERT INTO projections.charges VALUES ('S-DEMO-04', 'SC', '2025-26:single-courses-stamp', '2026-05-08', NULL, 'paid', 1600, '2026-05-19', '2026-04-24', 1600, '2026-05-08', 0, 0, 0, 0, 0, 0, 'CS-4', 0, NULL, NULL);
INSERT INTO projections.exams VALUES ('S-DEMO-16', 'B', 'ART-300', '2026-02-05', '2026-02-05', NULL, 'passed', 26, 6);
INSERT INTO projections.exams VALUES ('S-DEMO-01', 'B', 'FIL-101', '2026-02-03', '2026-02-11', NULL, 'passed', 28, 6);
INSERT INTO projections.exams VALUES ('S-DEMO-01', 'B', 'FIL-102', '2026-06-15', '2026-06-15', NULL, 'passed', 30, 9);
INSERT INTO projections.gaps VALUES ('S-DEMO-07', 'B', 'forfeiture', 'DEC-1', '2023-10-01', '2024-10-01', 'DEC-1', '2023-24', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-07', 'B', 'forfeiture', 'DEC-1', '2024-10-01', '2025-10-01', 'DEC-1', '2024-25', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-07', 'B', 'forfeiture', 'DEC-1', '2025-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-08', 'M1', 'forfeiture', 'DEC-1', '2023-10-01', '2024-10-01', 'DEC-1', '2023-24', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-08', 'M1', 'forfeiture', 'DEC-1', '2024-10-01', '2025-10-01', 'DEC-1', '2024-25', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-08', 'M1', 'forfeiture', 'DEC-1', '2025-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-11', 'B', 'forfeiture', 'DEC-1', '2023-10-01', '2024-10-01', 'DEC-1', '2023-24', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-11', 'B', 'forfeiture', 'DEC-1', '2024-10-01', '2025-10-01', 'DEC-1', '2024-25', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-11', 'B', 'forfeiture', 'DEC-1', '2025-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-12', 'B', 'forfeiture', 'DEC-1', '2023-10-01', '2024-10-01', 'DEC-1', '2023-24', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-12', 'B', 'forfeiture', 'DEC-1', '2024-10-01', '2025-10-01', 'DEC-1', '2024-25', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-12', 'B', 'forfeiture', 'DEC-1', '2025-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-16', 'B', 'forfeiture', 'DEC-1', '2027-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-18', 'B', 'forfeiture', 'DEC-1', '2023-10-01', '2024-10-01', 'DEC-1', '2023-24', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-18', 'B', 'forfeiture', 'DEC-1', '2024-10-01', '2025-10-01', 'DEC-1', '2024-25', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-18', 'B', 'forfeiture', 'DEC-1', '2025-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-19', 'OLD', 'forfeiture', 'DEC-1', '2019-10-01', '2023-10-01', 'DEC-1', '2019-20', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-19', 'OLD', 'forfeiture', 'DEC-1', '2023-10-01', '2024-10-01', 'DEC-1', '2023-24', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-01', 'B', 'forfeiture', 'DEC-1', '2027-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-02', 'M', 'forfeiture', 'DEC-1', '2026-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.gaps VALUES ('S-DEMO-03', 'M', 'forfeiture', 'DEC-1', '2026-10-01', NULL, 'DEC-1', '2025-26', 'number of years without exams after which a career is forfeited');
INSERT INTO projections.migrations VALUES ('projections', 1, 'first', '2026-11-28T18:09:35.471987+00:00');
INSERT INTO projections.migrations VALUES ('projections', 2, 'with_gaps_and_forfeitures', '2026-11-28T18:09:35.476573+00:00');
INSERT INTO projections.money VALUES ('S-DEMO-16', 'B', '2025-26:library-fine', '2026-02-06', NULL, 'unallocated', 1200);
INSERT INTO projections."position" VALUES (1, 1, 64, '{"interpretations": "13b3e58d83d7b746cc56a897985a2f1cf9debe68ec421371ee7f241427f4e55f", "rulebooks": {"2019-20": ["unibg-laureati-2019-20", "c789e9d968b1bca0203de1a1b93515fa585de25252ee02c04e8d7d00aed5389c"], "2023-24": ["unibg-2023-24", "ef733325bed34d5ade8e0dcc9b405262020289010b95299a740e8517f1146919"], "2024-25": ["unibg-2024-25", "789d882a8b9b1e9b4fbd330d48de6b79641a0951364c0782f28bea1f60e783aa"], "2025-26": ["unibg-laureati-2025-26", "13f190c26cfd3a8a3942010d3f1aeb6e672a519d02b6d46cef61462a2ebaaeca"]}, "schema": "2.5"}', 'ad37a674a44a435693c0827f295eb1c1', 1, '31ff0448d5bfd28ceb8d146ae0812da5f9c0ec72adfe6a3aa16264e88aac5b2d');
INSERT INTO projections.status VALUES ('S-DEMO-07', 'B', '2022-09-20', NULL, 'enrolled', 'L-LIN', 'bachelor', '2022-23', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-08', 'M1', '2022-09-20', NULL, 'enrolled', 'LM-FIL', 'master', '2022-23', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-11', 'B', '2022-09-20', '2023-09-20', 'enrolled', 'L-FIL', 'bachelor', '2022-23', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-11', 'B', '2023-09-20', '2024-09-20', 'enrolled', 'L-FIL', 'bachelor', '2023-24', 2, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-11', 'B', '2024-09-20', NULL, 'enrolled', 'L-FIL', 'bachelor', '2024-25', 3, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-12', 'B', '2022-09-20', '2023-09-20', 'enrolled', 'L-LET', 'bachelor', '2022-23', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-12', 'B', '2023-09-20', '2024-09-20', 'enrolled', 'L-LET', 'bachelor', '2023-24', 2, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-12', 'B', '2024-09-20', NULL, 'enrolled', 'L-LET', 'bachelor', '2024-25', 3, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-16', 'B', '2025-09-20', '2026-02-05', 'enrolled', 'L-FIL', 'bachelor', '2025-26', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-16', 'B', '2026-02-05', NULL, 'enrolled', 'L-FIL', 'bachelor', '2025-26', 1, 'full-time', false, 0, 6);
INSERT INTO projections.status VALUES ('S-DEMO-18', 'B', '2022-09-18', NULL, 'enrolled', 'L-PSI', 'bachelor', '2022-23', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-19', 'OLD', '2015-09-20', '2024-10-01', 'enrolled', 'L-FIL', 'bachelor', '2015-16', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-19', 'OLD', '2024-10-01', NULL, 'forfeited', 'L-FIL', 'bachelor', '2015-16', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-01', 'B', '2025-09-20', '2026-02-11', 'enrolled', 'L-FIL', 'bachelor', '2025-26', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-01', 'B', '2026-02-11', '2026-06-15', 'enrolled', 'L-FIL', 'bachelor', '2025-26', 1, 'full-time', false, 0, 6);
INSERT INTO projections.status VALUES ('S-DEMO-01', 'B', '2026-06-15', NULL, 'enrolled', 'L-FIL', 'bachelor', '2025-26', 1, 'full-time', false, 0, 15);
INSERT INTO projections.status VALUES ('S-DEMO-02', 'M', '2025-09-10', '2025-10-16', 'preenrolled', 'LM-FIL', 'master', '2025-26', NULL, NULL, false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-02', 'M', '2025-10-16', '2025-11-05', 'admitted', 'LM-FIL', 'master', '2025-26', NULL, NULL, false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-02', 'M', '2025-11-05', '2026-03-26', 'enrolled-with-reservation', 'LM-FIL', 'master', '2025-26', 1, 'full-time', true, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-02', 'M', '2026-03-26', NULL, 'enrolled', 'LM-FIL', 'master', '2025-26', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-03', 'M', '2025-05-10', '2025-07-01', 'preenrolled', 'LM-PSI', 'master', '2025-26', NULL, NULL, false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-03', 'M', '2025-07-01', '2025-07-03', 'admitted', 'LM-PSI', 'master', '2025-26', NULL, NULL, false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-03', 'M', '2025-07-03', NULL, 'enrolled', 'LM-PSI', 'master', '2025-26', 1, 'full-time', false, 0, 0);
INSERT INTO projections.status VALUES ('S-DEMO-04', 'SC', '2026-04-24', NULL, 'single-courses', NULL, NULL, '2025-26', NULL, NULL, false, 0, 0);
INSERT INTO public.career_ledger VALUES (2, 'ad37a674a44a435693c0827f295eb1c1', 1, NULL);
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 1, 'events', '2026-11-28T18:08:47.177635+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 2, 'identity', '2026-11-28T18:08:47.206004+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 3, 'checks', '2026-11-28T18:08:47.214090+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 4, 'privileges', '2026-11-28T18:08:47.223960+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 5, 'numbers', '2026-11-28T18:08:47.245400+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 6, 'forgetting', '2026-11-28T18:08:47.252921+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 7, 'sealed_events', '2026-11-28T18:08:47.273224+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 8, 'epochs', '2026-11-28T18:08:47.280918+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 9, 'rows', '2026-11-28T18:08:47.295934+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 10, 'linked_tickets', '2026-11-28T18:08:47.304594+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('ledger', 11, 'submissions_found', '2026-11-28T18:08:47.335209+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('relay', 1, 'positions', '2026-11-28T18:09:40.421369+00:00');
INSERT INTO public.career_ledger_migrations VALUES ('relay', 2, 'aside', '2026-11-28T18:09:40.430304+00:00');
INSERT INTO public.relay_positions VALUES ('career.events.v1', 'topic-id', 4, '', 7, '2026-04-20T08:59:00Z', '2026-04-20T09:00:00Z', 3.5, NULL, NULL);
INSERT INTO public.stored_events VALUES ('d3014f88-456d-58bd-b774-d97c540cd929', 1, 'enrolled.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032322d3233222c22616363657373223a226f70656e222c22636f757273655f74797065223a2262616368656c6f72222c2270726f6772616d6d65223a224c2d4c494e222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032322d30392d3230222c226964223a2264656d6f2d30372d3031222c227265636f726465645f6174223a22323032322d30392d32305431323a30303a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3037222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 1);
INSERT INTO public.stored_events VALUES ('9a22cf33-dd84-558a-9bca-fecc06de6867', 1, 'enrolled.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a224d31222c2264617461223a7b2261636164656d69635f79656172223a22323032322d3233222c22616363657373223a226f70656e222c22636f757273655f74797065223a226d6173746572222c2270726f6772616d6d65223a224c4d2d46494c222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032322d30392d3230222c226964223a2264656d6f2d30382d3031222c227265636f726465645f6174223a22323032322d30392d32305431323a30303a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3038222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 2);
INSERT INTO public.stored_events VALUES ('eea94ad8-dcd9-590b-aa16-5d6d5e8711bc', 1, 'enrolled.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032322d3233222c22616363657373223a226f70656e222c22636f757273655f74797065223a2262616368656c6f72222c2270726f6772616d6d65223a224c2d46494c222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032322d30392d3230222c226964223a2264656d6f2d31312d3031222c227265636f726465645f6174223a22323032322d30392d32305431323a30303a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3131222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 3);
INSERT INTO public.stored_events VALUES ('eea94ad8-dcd9-590b-aa16-5d6d5e8711bc', 2, 'enrolment-renewed.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032332d3234222c227374616e64696e67223a22726567756c6172222c2279656172223a327d2c226566666563746976655f6f6e223a22323032332d30392d3230222c226964223a2264656d6f2d31312d3032222c227265636f726465645f6174223a22323032332d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d323032332d3234222c22736861323536223a2265663733333332356265643334643561646538653064636339623430353236323032303238393031306239353239396137343065383531376631313436393139227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3131222c2274797065223a22656e726f6c6d656e742d72656e65776564222c2276657273696f6e223a327d', 4);
INSERT INTO public.stored_events VALUES ('eea94ad8-dcd9-590b-aa16-5d6d5e8711bc', 3, 'instalment-paid.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032332d32343a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032332d30392d3230222c226964223a2264656d6f2d31312d30322d70616964222c227265636f726465645f6174223a22323032332d30392d32305431323a30353a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3131222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a337d', 5);
INSERT INTO public.stored_events VALUES ('eea94ad8-dcd9-590b-aa16-5d6d5e8711bc', 4, 'enrolment-renewed.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032342d3235222c227374616e64696e67223a22726567756c6172222c2279656172223a337d2c226566666563746976655f6f6e223a22323032342d30392d3230222c226964223a2264656d6f2d31312d3033222c227265636f726465645f6174223a22323032342d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d323032342d3235222c22736861323536223a2237383964383832613862396231653962346662643333306434386465366237393634316130393531333634633037383266323862656131663630653738336161227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3131222c2274797065223a22656e726f6c6d656e742d72656e65776564222c2276657273696f6e223a347d', 6);
INSERT INTO public.stored_events VALUES ('eea94ad8-dcd9-590b-aa16-5d6d5e8711bc', 5, 'instalment-paid.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032342d32353a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032342d30392d3230222c226964223a2264656d6f2d31312d30332d70616964222c227265636f726465645f6174223a22323032342d30392d32305431323a30353a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d323032342d3235222c22736861323536223a2237383964383832613862396231653962346662643333306434386465366237393634316130393531333634633037383266323862656131663630653738336161227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3131222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a357d', 7);
INSERT INTO public.stored_events VALUES ('89055991-dc7d-59aa-9984-5d12e16a76ca', 1, 'enrolled.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032322d3233222c22616363657373223a226f70656e222c22636f757273655f74797065223a2262616368656c6f72222c2270726f6772616d6d65223a224c2d4c4554222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032322d30392d3230222c226964223a2264656d6f2d31322d3031222c227265636f726465645f6174223a22323032322d30392d32305431323a30303a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3132222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 8);
INSERT INTO public.stored_events VALUES ('89055991-dc7d-59aa-9984-5d12e16a76ca', 2, 'enrolment-renewed.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032332d3234222c227374616e64696e67223a22726567756c6172222c2279656172223a327d2c226566666563746976655f6f6e223a22323032332d30392d3230222c226964223a2264656d6f2d31322d3032222c227265636f726465645f6174223a22323032332d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d323032332d3234222c22736861323536223a2265663733333332356265643334643561646538653064636339623430353236323032303238393031306239353239396137343065383531376631313436393139227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3132222c2274797065223a22656e726f6c6d656e742d72656e65776564222c2276657273696f6e223a327d', 9);
INSERT INTO public.stored_events VALUES ('89055991-dc7d-59aa-9984-5d12e16a76ca', 3, 'instalment-paid.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032332d32343a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032332d30392d3230222c226964223a2264656d6f2d31322d30322d70616964222c227265636f726465645f6174223a22323032332d30392d32305431323a30353a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3132222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a337d', 10);
INSERT INTO public.stored_events VALUES ('89055991-dc7d-59aa-9984-5d12e16a76ca', 4, 'enrolment-renewed.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032342d3235222c227374616e64696e67223a22726567756c6172222c2279656172223a337d2c226566666563746976655f6f6e223a22323032342d30392d3230222c226964223a2264656d6f2d31322d3033222c227265636f726465645f6174223a22323032342d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d323032342d3235222c22736861323536223a2237383964383832613862396231653962346662643333306434386465366237393634316130393531333634633037383266323862656131663630653738336161227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3132222c2274797065223a22656e726f6c6d656e742d72656e65776564222c2276657273696f6e223a347d', 11);
INSERT INTO public.stored_events VALUES ('89055991-dc7d-59aa-9984-5d12e16a76ca', 5, 'instalment-paid.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032342d32353a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032342d30392d3230222c226964223a2264656d6f2d31322d30332d70616964222c227265636f726465645f6174223a22323032342d30392d32305431323a30353a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d323032342d3235222c22736861323536223a2237383964383832613862396231653962346662643333306434386465366237393634316130393531333634633037383266323862656131663630653738336161227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3132222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a357d', 12);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 1, 'enrolled.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22616363657373223a226f70656e222c22636f757273655f74797065223a2262616368656c6f72222c2270726f6772616d6d65223a224c2d46494c222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032352d30392d3230222c226964223a2264656d6f2d31362d3031222c227265636f726465645f6174223a22323032352d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 13);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 2, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032352d32363a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032352d30392d3230222c226964223a2264656d6f2d31362d3032222c227265636f726465645f6174223a22323032352d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a327d', 14);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 3, 'study-plan-approved.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22636f7572736573223a5b7b22636675223a362c22636f6465223a2246494c2d313031222c226c656374757265735f656e645f6f6e223a22323032352d31322d3230222c2273656d6573746572223a312c2279656172223a317d2c7b22636675223a362c22636f6465223a224c494e2d313130222c226c656374757265735f656e645f6f6e223a22323032352d31322d3230222c2273656d6573746572223a312c2279656172223a317d5d7d2c226566666563746976655f6f6e223a22323032352d31312d3330222c226964223a2264656d6f2d31362d3033222c227265636f726465645f6174223a22323032352d31312d33305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a2273747564792d706c616e2d617070726f766564222c2276657273696f6e223a337d', 15);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 4, 'contribution-assessed.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22636f6e747269627574696f6e223a223730302e3030227d2c226566666563746976655f6f6e223a22323032362d30312d3130222c226964223a2264656d6f2d31362d3034222c227265636f726465645f6174223a22323032362d30312d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a22636f6e747269627574696f6e2d6173736573736564222c2276657273696f6e223a347d', 16);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 5, 'exam-booked.v1', '\x7b226163746f72223a226d6967726174696f6e222c226272656163686573223a5b224553412d31225d2c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c2263616c6c735f73746172745f6f6e223a22323032362d30312d3139222c22636f75727365223a224152542d333030222c2268656c645f6f6e223a22323032362d30322d3035222c226d6f6465223a226f72616c222c2273657373696f6e223a2277696e746572227d2c226566666563746976655f6f6e223a22323032362d30312d3235222c226964223a2264656d6f2d31362d3035222c227265636f726465645f6174223a22323032362d30312d32355431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a226578616d2d626f6f6b6564222c2276657273696f6e223a357d', 17);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 6, 'exam-graded.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b22636675223a362c22636f75727365223a224152542d333030222c226772616465223a32362c2268656c645f6f6e223a22323032362d30322d3035222c226d6f6465223a226f72616c222c226f7574636f6d65223a22706173736564222c2273657373696f6e223a2277696e746572227d2c226566666563746976655f6f6e223a22323032362d30322d3035222c226964223a2264656d6f2d31362d3036222c227265636f726465645f6174223a22323032362d30322d30355431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a226578616d2d677261646564222c2276657273696f6e223a367d', 18);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 7, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a2231322e3030222c22636861726765223a22323032352d32363a6c6962726172792d66696e65227d2c226566666563746976655f6f6e223a22323032362d30322d3036222c226964223a2264656d6f2d31362d3037222c227265636f726465645f6174223a22323032362d30322d30365431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a377d', 19);
INSERT INTO public.stored_events VALUES ('c78eb189-6a5c-50b6-8507-802ee7d463ee', 2, 'forfeited.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a224f4c44222c2264617461223a7b7d2c226566666563746976655f6f6e223a22323032342d31302d3031222c226964223a2264656d6f2d31392d3032222c227265636f726465645f6174223a22323032342d31302d30315431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d323032342d3235222c22736861323536223a2237383964383832613862396231653962346662643333306434386465366237393634316130393531333634633037383266323862656131663630653738336161227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3139222c2274797065223a22666f72666569746564222c2276657273696f6e223a327d', 23);
INSERT INTO public.stored_events VALUES ('a6546c99-79a5-5c77-91e6-19dc5521e165', 8, 'exam-booked.v1', '\x7b226163746f72223a226d6967726174696f6e222c226272656163686573223a5b22424c4b2d31225d2c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c2263616c6c735f73746172745f6f6e223a22323032362d30362d3038222c22636f75727365223a2246494c2d313031222c2268656c645f6f6e223a22323032362d30362d3138222c226d6f6465223a227772697474656e222c2273657373696f6e223a2273756d6d6572227d2c226566666563746976655f6f6e223a22323032362d30362d3033222c226964223a2264656d6f2d31362d3038222c227265636f726465645f6174223a22323032362d30362d30335431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3136222c2274797065223a226578616d2d626f6f6b6564222c2276657273696f6e223a387d', 20);
INSERT INTO public.stored_events VALUES ('e1535f1a-514b-57f1-b1bc-0089a97073e4', 1, 'enrolled.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032322d3233222c22616363657373223a226f70656e222c22636f757273655f74797065223a2262616368656c6f72222c2270726f6772616d6d65223a224c2d505349222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032322d30392d3138222c226964223a2264656d6f2d31382d3031222c227265636f726465645f6174223a22323032322d30392d31385431323a30303a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3138222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 21);
INSERT INTO public.stored_events VALUES ('c78eb189-6a5c-50b6-8507-802ee7d463ee', 1, 'enrolled.v1', '\x7b226163746f72223a226d6967726174696f6e222c22636172656572223a224f4c44222c2264617461223a7b2261636164656d69635f79656172223a22323031352d3136222c22616363657373223a226f70656e222c22636f757273655f74797065223a2262616368656c6f72222c2270726f6772616d6d65223a224c2d46494c222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323031352d30392d3230222c226964223a2264656d6f2d31392d3031222c227265636f726465645f6174223a22323031352d30392d32305431323a30303a30305a222c22736f75726365223a22696d706f7274222c2273747564656e74223a22532d44454d4f2d3139222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 22);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 1, 'enrolled.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22616363657373223a226f70656e222c22636f757273655f74797065223a2262616368656c6f72222c2270726f6772616d6d65223a224c2d46494c222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032352d30392d3230222c226964223a2264656d6f2d30312d3031222c227265636f726465645f6174223a22323032352d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a317d', 24);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 2, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032352d32363a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032352d30392d3230222c226964223a2264656d6f2d30312d3032222c227265636f726465645f6174223a22323032352d30392d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a327d', 25);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 3, 'study-plan-submitted.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236227d2c226566666563746976655f6f6e223a22323032352d31312d3033222c226964223a2264656d6f2d30312d3033222c227265636f726465645f6174223a22323032352d31312d30335431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a2273747564792d706c616e2d7375626d6974746564222c2276657273696f6e223a337d', 26);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 4, 'study-plan-approved.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22636f7572736573223a5b7b22636675223a362c22636f6465223a2246494c2d313031222c226c656374757265735f656e645f6f6e223a22323032352d31322d3230222c2273656d6573746572223a312c2279656172223a317d2c7b22636675223a362c22636f6465223a224c494e2d313130222c226c656374757265735f656e645f6f6e223a22323032352d31322d3230222c2273656d6573746572223a312c2279656172223a317d2c7b22636675223a392c22636f6465223a2246494c2d313032222c226c656374757265735f656e645f6f6e223a22323032362d30352d3239222c2270726572657175697369746573223a5b2246494c2d313031225d2c2273656d6573746572223a322c2279656172223a317d5d7d2c226566666563746976655f6f6e223a22323032352d31312d3330222c226964223a2264656d6f2d30312d3034222c227265636f726465645f6174223a22323032352d31312d33305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a2273747564792d706c616e2d617070726f766564222c2276657273696f6e223a347d', 27);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 5, 'isee-certified.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c226973737565645f6f6e223a22323032352d31312d3230222c2276616c69645f666f725f756e6976657273697479223a747275657d2c226566666563746976655f6f6e223a22323032352d31322d3130222c226964223a2264656d6f2d30312d3035222c227265636f726465645f6174223a22323032352d31322d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a22697365652d636572746966696564222c2276657273696f6e223a357d', 28);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 6, 'contribution-assessed.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c2262616e64223a2243222c22636f6e747269627574696f6e223a223931322e3030227d2c226566666563746976655f6f6e223a22323032362d30312d3130222c226964223a2264656d6f2d30312d3036222c227265636f726465645f6174223a22323032362d30312d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a22636f6e747269627574696f6e2d6173736573736564222c2276657273696f6e223a367d', 29);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 7, 'exam-booked.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c2263616c6c735f73746172745f6f6e223a22323032362d30312d3139222c22636f75727365223a2246494c2d313031222c2268656c645f6f6e223a22323032362d30322d3033222c226d6f6465223a227772697474656e222c2273657373696f6e223a2277696e746572227d2c226566666563746976655f6f6e223a22323032362d30312d3230222c226964223a2264656d6f2d30312d3037222c227265636f726465645f6174223a22323032362d30312d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a226578616d2d626f6f6b6564222c2276657273696f6e223a377d', 30);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 8, 'exam-graded.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a2242222c2264617461223a7b22636675223a362c22636f75727365223a2246494c2d313031222c226772616465223a32382c2268656c645f6f6e223a22323032362d30322d3033222c226d6f6465223a227772697474656e222c226f7574636f6d65223a22706173736564222c227265667573655f6279223a22323032362d30322d3130222c2273657373696f6e223a2277696e746572227d2c226566666563746976655f6f6e223a22323032362d30322d3033222c226964223a2264656d6f2d30312d3038222c227265636f726465645f6174223a22323032362d30322d30335431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a226578616d2d677261646564222c2276657273696f6e223a387d', 31);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 9, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223430302e3030222c22636861726765223a22323032352d32363a696e7374616c6d656e742d31227d2c226566666563746976655f6f6e223a22323032362d30342d3230222c226964223a2264656d6f2d30312d3039222c227265636f726465645f6174223a22323032362d30342d32335430383a31353a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a397d', 32);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 10, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a2236302e3030222c22636861726765223a22323032352d32363a6c6174652d6665652f696e7374616c6d656e742d31227d2c226566666563746976655f6f6e223a22323032362d30352d3032222c226964223a2264656d6f2d30312d3130222c227265636f726465645f6174223a22323032362d30352d30325431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a31307d', 33);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 11, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a2242222c2264617461223a7b22616d6f756e74223a223531322e3030222c22636861726765223a22323032352d32363a696e7374616c6d656e742d32227d2c226566666563746976655f6f6e223a22323032362d30352d3135222c226964223a2264656d6f2d30312d3131222c227265636f726465645f6174223a22323032362d30352d31355431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a31317d', 34);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 12, 'exam-booked.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a2242222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c2263616c6c735f73746172745f6f6e223a22323032362d30362d3038222c22636f75727365223a2246494c2d313032222c2268656c645f6f6e223a22323032362d30362d3135222c226d6f6465223a226f72616c222c2273657373696f6e223a2273756d6d6572227d2c226566666563746976655f6f6e223a22323032362d30352d3238222c226964223a2264656d6f2d30312d3132222c227265636f726465645f6174223a22323032362d30352d32385431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a226578616d2d626f6f6b6564222c2276657273696f6e223a31327d', 35);
INSERT INTO public.stored_events VALUES ('87a17847-b591-5a12-820b-78e4df7e3d4d', 13, 'exam-graded.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a2242222c2264617461223a7b22636675223a392c22636f75727365223a2246494c2d313032222c226772616465223a33302c2268656c645f6f6e223a22323032362d30362d3135222c22686f6e6f757273223a747275652c226d6f6465223a226f72616c222c226f7574636f6d65223a22706173736564222c2273657373696f6e223a2273756d6d6572227d2c226566666563746976655f6f6e223a22323032362d30362d3135222c226964223a2264656d6f2d30312d3133222c227265636f726465645f6174223a22323032362d30362d31355431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3031222c2274797065223a226578616d2d677261646564222c2276657273696f6e223a31337d', 36);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 1, 'preenrolled.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22616363657373223a226f70656e222c22636f757273655f74797065223a226d6173746572222c2270726f6772616d6d65223a224c4d2d46494c227d2c226566666563746976655f6f6e223a22323032352d30392d3130222c226964223a2264656d6f2d30322d3031222c227265636f726465645f6174223a22323032352d30392d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a22707265656e726f6c6c6564222c2276657273696f6e223a317d', 37);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 3, 'preparation-assessed.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a224d222c2264617461223a7b226164657175617465223a747275657d2c226566666563746976655f6f6e223a22323032352d31302d3136222c226964223a2264656d6f2d30322d3033222c227265636f726465645f6174223a22323032352d31302d31365431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a227072657061726174696f6e2d6173736573736564222c2276657273696f6e223a337d', 39);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 5, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032352d32363a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032352d31312d3035222c226964223a2264656d6f2d30322d3035222c227265636f726465645f6174223a22323032352d31312d30355431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a357d', 41);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 7, 'study-plan-approved.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22636f7572736573223a5b7b22636675223a392c22636f6465223a224554492d353031222c226c656374757265735f656e645f6f6e223a22323032352d31322d3230222c2273656d6573746572223a312c2279656172223a317d2c7b22636675223a392c22636f6465223a224553542d353032222c226c656374757265735f656e645f6f6e223a22323032362d30352d3239222c2273656d6573746572223a322c2279656172223a317d5d7d2c226566666563746976655f6f6e223a22323032352d31312d3330222c226964223a2264656d6f2d30322d3037222c227265636f726465645f6174223a22323032352d31312d33305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a2273747564792d706c616e2d617070726f766564222c2276657273696f6e223a377d', 43);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 9, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a223433302e3030222c22636861726765223a22323032352d32363a696e7374616c6d656e742d31227d2c226566666563746976655f6f6e223a22323032362d30322d3136222c226964223a2264656d6f2d30322d3039222c227265636f726465645f6174223a22323032362d30322d31365431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a397d', 45);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 11, 'exam-booked.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c2263616c6c735f73746172745f6f6e223a22323032362d30362d3038222c22636f75727365223a224554492d353031222c2268656c645f6f6e223a22323032362d30362d3232222c226d6f6465223a227772697474656e222c2273657373696f6e223a2273756d6d6572227d2c226566666563746976655f6f6e223a22323032362d30352d3235222c226964223a2264656d6f2d30322d3131222c227265636f726465645f6174223a22323032362d30352d32355431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a226578616d2d626f6f6b6564222c2276657273696f6e223a31317d', 47);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 2, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a2235322e3030222c22636861726765223a22323032352d32363a707265656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032352d30392d3130222c226964223a2264656d6f2d30322d3032222c227265636f726465645f6174223a22323032352d30392d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a327d', 38);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 4, 'enrolled-with-reservation.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22616363657373223a226f70656e222c22636f757273655f74797065223a226d6173746572222c2267726f756e64223a226465677265652d70656e64696e67222c22686f6d655f756e6976657273697479223a226f74686572222c22696e7465726e736869705f73746172746564223a747275652c226d697373696e675f636675223a31382c226d697373696e675f6578616d73223a322c2270726f6772616d6d65223a224c4d2d46494c222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032352d31312d3035222c226964223a2264656d6f2d30322d3034222c227265636f726465645f6174223a22323032352d31312d30355431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a22656e726f6c6c65642d776974682d7265736572766174696f6e222c2276657273696f6e223a347d', 40);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 6, 'study-plan-submitted.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236227d2c226566666563746976655f6f6e223a22323032352d31312d3132222c226964223a2264656d6f2d30322d3036222c227265636f726465645f6174223a22323032352d31312d31325431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a2273747564792d706c616e2d7375626d6974746564222c2276657273696f6e223a367d', 42);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 8, 'contribution-assessed.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22636f6e747269627574696f6e223a223433302e3030227d2c226566666563746976655f6f6e223a22323032362d30312d3130222c226964223a2264656d6f2d30322d3038222c227265636f726465645f6174223a22323032362d30312d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a22636f6e747269627574696f6e2d6173736573736564222c2276657273696f6e223a387d', 44);
INSERT INTO public.stored_events VALUES ('cd99d840-19d2-5b18-bd29-0eb587410e8d', 10, 'reservation-lifted.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a224d222c2264617461223a7b22636f6e6665727265645f6f6e223a22323032362d30332d3236222c2265766964656e6365223a226465677265652d636f6e666572726564227d2c226566666563746976655f6f6e223a22323032362d30332d3236222c226964223a2264656d6f2d30322d3130222c227265636f726465645f6174223a22323032362d30332d32365431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3032222c2274797065223a227265736572766174696f6e2d6c6966746564222c2276657273696f6e223a31307d', 46);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 1, 'preenrolled.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22616363657373223a2272657374726963746564222c22636f757273655f74797065223a226d6173746572222c2270726f6772616d6d65223a224c4d2d505349222c2273656c656374696f6e223a317d2c226566666563746976655f6f6e223a22323032352d30352d3130222c226964223a2264656d6f2d30332d3031222c227265636f726465645f6174223a22323032352d30352d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22707265656e726f6c6c6564222c2276657273696f6e223a317d', 48);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 2, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a2235322e3030222c22636861726765223a22323032352d32363a707265656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032352d30352d3130222c226964223a2264656d6f2d30332d3032222c227265636f726465645f6174223a22323032352d30352d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a327d', 49);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 3, 'ranked.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a224d222c2264617461223a7b2261646d6974746564223a747275657d2c226566666563746976655f6f6e223a22323032352d30372d3031222c226964223a2264656d6f2d30332d3033222c227265636f726465645f6174223a22323032352d30372d30315431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a2272616e6b6564222c2276657273696f6e223a337d', 50);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 4, 'enrolled.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22616363657373223a2272657374726963746564222c22636f757273655f74797065223a226d6173746572222c2270726f6772616d6d65223a224c4d2d505349222c22726567696d65223a2266756c6c2d74696d65222c2279656172223a317d2c226566666563746976655f6f6e223a22323032352d30372d3033222c226964223a2264656d6f2d30332d3034222c227265636f726465645f6174223a22323032352d30372d30335431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22656e726f6c6c6564222c2276657273696f6e223a347d', 51);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 5, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a223135362e3030222c22636861726765223a22323032352d32363a656e726f6c6d656e74227d2c226566666563746976655f6f6e223a22323032352d30372d3033222c226964223a2264656d6f2d30332d3035222c227265636f726465645f6174223a22323032352d30372d30335431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a357d', 52);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 6, 'study-plan-submitted.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236227d2c226566666563746976655f6f6e223a22323032352d31312d3130222c226964223a2264656d6f2d30332d3036222c227265636f726465645f6174223a22323032352d31312d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a2273747564792d706c616e2d7375626d6974746564222c2276657273696f6e223a367d', 53);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 7, 'contribution-assessed.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c2262616e64223a22746f70222c22636f6e747269627574696f6e223a22313234302e3030227d2c226566666563746976655f6f6e223a22323032362d30312d3132222c226964223a2264656d6f2d30332d3037222c227265636f726465645f6174223a22323032362d30312d31325431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22636f6e747269627574696f6e2d6173736573736564222c2276657273696f6e223a377d', 54);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 8, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a223430302e3030222c22636861726765223a22323032352d32363a696e7374616c6d656e742d31227d2c226566666563746976655f6f6e223a22323032362d30322d3130222c226964223a2264656d6f2d30332d3038222c227265636f726465645f6174223a22323032362d30322d31305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a387d', 55);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 9, 'isee-certified.v1', '\x7b226163746f72223a226f6666696365222c22636172656572223a224d222c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c226973737565645f6f6e223a22323032362d30322d3230222c2276616c69645f666f725f756e6976657273697479223a747275657d2c226566666563746976655f6f6e223a22323032362d30332d3032222c226964223a2264656d6f2d30332d3039222c227265636f726465645f6174223a22323032362d30332d30325431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22697365652d636572746966696564222c2276657273696f6e223a397d', 56);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 10, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a223834302e3030222c22636861726765223a22323032352d32363a696e7374616c6d656e742d32227d2c226566666563746976655f6f6e223a22323032362d30352d3134222c226964223a2264656d6f2d30332d3130222c227265636f726465645f6174223a22323032362d30352d31345431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a31307d', 57);
INSERT INTO public.stored_events VALUES ('77e33c87-9efc-5a01-a8f1-18d4018bbca6', 11, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a224d222c2264617461223a7b22616d6f756e74223a223135302e3030222c22636861726765223a22323032352d32363a697365652d70656e616c7479227d2c226566666563746976655f6f6e223a22323032362d30352d3230222c226964223a2264656d6f2d30332d3131222c227265636f726465645f6174223a22323032362d30352d32305431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3033222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a31317d', 58);
INSERT INTO public.stored_events VALUES ('c2fd244a-1c34-5ac2-bebb-89db55886162', 2, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a225343222c2264617461223a7b22616d6f756e74223a223237302e3030222c22636861726765223a22323032352d32363a73696e676c652d636f7572736573227d2c226566666563746976655f6f6e223a22323032362d30352d3038222c226964223a2264656d6f2d30342d3032222c227265636f726465645f6174223a22323032362d30352d30385431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3034222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a327d', 60);
INSERT INTO public.stored_events VALUES ('c2fd244a-1c34-5ac2-bebb-89db55886162', 1, 'single-courses-enrolled.v1', '\x7b226163746f72223a2273747564656e74222c22636172656572223a225343222c22636c656172223a7b22726564756374696f6e223a22302e3430227d2c2264617461223a7b2261636164656d69635f79656172223a22323032352d3236222c22636f7572736573223a5b7b22636675223a392c22636f6465223a2253544f2d323031222c226c656374757265735f656e645f6f6e223a22323032362d30352d3230227d2c7b22636675223a392c22636f6465223a2247454f2d323032222c226c656374757265735f656e645f6f6e223a22323032362d30352d3230227d5d2c226973737565645f6f6e223a22323032362d30352d3034222c22726564756374696f6e223a226469736162696c697479227d2c226566666563746976655f6f6e223a22323032362d30342d3234222c226964223a2264656d6f2d30342d3031222c227265636f726465645f6174223a22323032362d30342d32345431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3034222c2274797065223a2273696e676c652d636f75727365732d656e726f6c6c6564222c2276657273696f6e223a317d', 59);
INSERT INTO public.stored_events VALUES ('c2fd244a-1c34-5ac2-bebb-89db55886162', 3, 'instalment-paid.v1', '\x7b226163746f72223a2273797374656d3a7061676f7061222c22636172656572223a225343222c2264617461223a7b22616d6f756e74223a2231362e3030222c22636861726765223a22323032352d32363a73696e676c652d636f75727365732d7374616d70227d2c226566666563746976655f6f6e223a22323032362d30352d3038222c226964223a2264656d6f2d30342d3033222c227265636f726465645f6174223a22323032362d30352d30385431323a30303a30305a222c2272756c65626f6f6b223a7b226964223a22756e6962672d6c617572656174692d323032352d3236222c22736861323536223a2231336631393063323663666433613861333934323031306433663161656236653637326135313964303262366434366365663631343632613265626161656361227d2c22736f75726365223a227061676f7061222c2273747564656e74223a22532d44454d4f2d3034222c2274797065223a22696e7374616c6d656e742d70616964222c2276657273696f6e223a337d', 61);
INSERT INTO public.stored_events VALUES ('c2fd244a-1c34-5ac2-bebb-89db55886162', 5, 'ticket-closed.v1', '\x7b226163746f72223a226f6666696365222c22636c656172223a7b22616e73776572223a22676976656e227d2c2264617461223a7b22616e73776572223a2254686f7365206f6620746865206c697374206f6e207468652070616765206f662073696e676c6520636f75727365732e222c226e756d626572223a22542d31303432227d2c226566666563746976655f6f6e223a22323032362d30352d3132222c226964223a2264656d6f2d30342d3035222c227265636f726465645f6174223a22323032362d30352d31325431323a30303a30305a222c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3034222c2274797065223a227469636b65742d636c6f736564222c2276657273696f6e223a357d', 63);
INSERT INTO public.stored_events VALUES ('c2fd244a-1c34-5ac2-bebb-89db55886162', 4, 'ticket-opened.v1', '\x7b226163746f72223a2273747564656e74222c2264617461223a7b22636f6e74657874223a224573616d69222c226e756d626572223a22542d31303432222c2273657276696365223a22436f7273692073696e676f6c69222c227375626a656374223a2257686963682073657373696f6e206973206f70656e20746f206d653f227d2c226566666563746976655f6f6e223a22323032362d30352d3131222c226964223a2264656d6f2d30342d3034222c227265636f726465645f6174223a22323032362d30352d31315431323a30303a30305a222c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3034222c2274797065223a227469636b65742d6f70656e6564222c2276657273696f6e223a347d', 62);
INSERT INTO public.stored_events VALUES ('d3014f88-456d-58bd-b774-d97c540cd929', 2, 'person-registered.v1', '\x7b226163746f72223a226f6666696365723a37222c2264617461223a7b7d2c226566666563746976655f6f6e223a22323032362d30332d3032222c226964223a22676f6c64656e2d706572736f6e222c227265636f726465645f6174223a22323032362d30332d30325430393a30303a30305a222c227365616c6564223a7b22626f78223a2232516351337332484e67676b596354784a4c6a76715851524378564a66554e79594d487154574f79367049706478553664734b463967686a5a526762575139444b754d50536f4241336c61636a747253526f522f4b6f4b2b7164745a73452b466a4470416c56356335584c6c6c56554b5a512f7a4635566c4970673d222c226b6579223a317d2c22736f75726365223a227265676973747279222c2273747564656e74223a22532d44454d4f2d3037222c2274797065223a22706572736f6e2d72656769737465726564222c2276657273696f6e223a327d', 64);
SELECT pg_catalog.setval('public.stored_events_notification_id_seq', 64, true);
ALTER TABLE ONLY projections.aside
    ADD CONSTRAINT aside_pkey PRIMARY KEY (stream);
ALTER TABLE ONLY projections.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (part, number);
ALTER TABLE ONLY public.career_ledger_epochs
    ADD CONSTRAINT career_ledger_epochs_pkey PRIMARY KEY (epoch);
ALTER TABLE ONLY public.career_ledger_migrations
    ADD CONSTRAINT career_ledger_migrations_pkey PRIMARY KEY (part, number);
ALTER TABLE ONLY public.refused_submissions
    ADD CONSTRAINT refused_submissions_pkey PRIMARY KEY (student, id);
ALTER TABLE ONLY public.relay_aside
    ADD CONSTRAINT relay_aside_pkey PRIMARY KEY (topic, stream);
ALTER TABLE ONLY public.relay_positions
    ADD CONSTRAINT relay_positions_pkey PRIMARY KEY (topic);
ALTER TABLE ONLY public.stored_events
    ADD CONSTRAINT stored_events_pkey PRIMARY KEY (originator_id, originator_version);
CREATE INDEX blocks_from_on ON projections.blocks USING btree (from_on);
CREATE INDEX blocks_kind_from_on_until_on ON projections.blocks USING btree (kind, from_on, until_on);
CREATE INDEX blocks_student_from_on ON projections.blocks USING btree (student, from_on);
CREATE INDEX blocks_until_on ON projections.blocks USING btree (until_on);
CREATE INDEX bookings_held_on ON projections.bookings USING btree (held_on);
CREATE INDEX bookings_student_from_on ON projections.bookings USING btree (student, from_on);
CREATE INDEX charges_from_on ON projections.charges USING btree (from_on);
CREATE INDEX charges_state_from_on_until_on ON projections.charges USING btree (state, from_on, until_on);
CREATE INDEX charges_student_from_on ON projections.charges USING btree (student, from_on);
CREATE INDEX charges_until_on ON projections.charges USING btree (until_on);
CREATE INDEX exams_student_from_on ON projections.exams USING btree (student, from_on);
CREATE INDEX forfeitable_from_on ON projections.forfeitable USING btree (from_on);
CREATE INDEX forfeitable_student_from_on ON projections.forfeitable USING btree (student, from_on);
CREATE INDEX gaps_from_on ON projections.gaps USING btree (from_on);
CREATE INDEX gaps_student_from_on ON projections.gaps USING btree (student, from_on);
CREATE INDEX gaps_until_on ON projections.gaps USING btree (until_on);
CREATE INDEX money_kind_from_on ON projections.money USING btree (kind, from_on);
CREATE INDEX money_student_from_on ON projections.money USING btree (student, from_on);
CREATE INDEX status_from_on ON projections.status USING btree (from_on);
CREATE INDEX status_student_from_on ON projections.status USING btree (student, from_on);
CREATE INDEX status_until_on ON projections.status USING btree (until_on);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON public.stored_events USING btree (notification_id);
CREATE INDEX stored_events_submissions ON public.stored_events USING btree (hashtextextended(split_part(split_part(encode(state, 'escape'::text), ',"effective_on":"'::text, '-1'::integer), '","'::text, 2), (uuid_hash(originator_id))::bigint));
CREATE TRIGGER stored_events_are_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON public.stored_events FOR EACH STATEMENT EXECUTE FUNCTION public.career_ledger_refuse_change();
ALTER TABLE public.stored_events ENABLE ALWAYS TRIGGER stored_events_are_kept;
CREATE POLICY everybody ON public.stored_events USING ((CURRENT_USER <> 'career_ledger_student'::name));
CREATE POLICY her_own ON public.stored_events FOR SELECT TO career_ledger_student USING ((originator_id = (NULLIF(current_setting('career_ledger.stream'::text, true), ''::text))::uuid));
CREATE POLICY processes ON public.stored_events TO career_ledger_reader, career_ledger_intake, career_ledger_projector, career_ledger_writer, career_ledger_importer, career_ledger_relay, career_ledger_sequencer USING (true);
ALTER TABLE public.stored_events ENABLE ROW LEVEL SECURITY;
