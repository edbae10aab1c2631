"""What the databases themselves refuse to store, whoever writes: the SQL that PostgreSQL and SQLite run on every new event.

An event is kept out unless
- its stored name is one that this program writes; that of personal data only where they are sealed;
- its bytes are a JSON object whose `student`, `type` and `version` stand at the end, as canonical JSON has them, and agree with
  its row; `id` is spelled canonically, `data` is an object, `recorded_at` an instant in UTC;
- its stream is that of its student, and its version the next one;
- no event of its stream has its submission id;
- it was recorded no later than the database's clock and `AHEAD_SECONDS`, or at the moment of the student's last event where a clock
  ran ahead once; never before that event; and, in PostgreSQL, not longer than `PAST_SECONDS` ago, unless the user is the owner or
  has the role of importers.

Whether the fields inside `data` are those of the type is not asked: the program asks before it writes, and a database that knew
every form would have to be changed with every form. SQLite has no SHA-1, by which a student's stream is named: there, and there
only, a first event under another stream id would pass. It has no users either: who may write the file may drop the triggers, which
keep mistakes out and not malice.
"""

from collections.abc import Sequence

from ledger.domain.events import SEALED_ONLY
from ledger.sql.base import LOCK_SECONDS

from .mapper import STORED_NAMES, STUDENTS

AHEAD_SECONDS = 60
"""How far the clock of a machine that appends may run before the database's."""
PAST_SECONDS = 900
"""How long an event may be on its way from the decision to the database: files that are stored in one transaction take a while."""

DIGEST_BYTES = 33
"""Of a submission's content, with the byte that begins it (`EventStore.content_digest`)."""

_NAMES = sorted(STORED_NAMES.values())
_BOX = b',"sealed":{"box":"'.hex()
_SEALED_ONLY = sorted(STORED_NAMES[name] for name in SEALED_ONLY)
KEPT_OUT = "is not stored: "
NO_JSON = f"an event {KEPT_OUT}its bytes are no JSON object with an instant"
NAME = f"an event {KEPT_OUT}its stored name is none that this version of the database knows (`career-ledger upgrade` brings it up to date)"
DISAGREES = f"an event {KEPT_OUT}its bytes do not end with the student, type and version of its row, as canonical JSON does"
CLEAR = f"an event {KEPT_OUT}personal data are stored sealed only"
FIELDS = f"an event {KEPT_OUT}its id, data or recorded_at are missing or not in canonical form"
HOLE = f"an event {KEPT_OUT}its version is not the next one of its stream"
STREAM = f"an event {KEPT_OUT}its student is another one than that of its stream"
TWICE = f"an event {KEPT_OUT}its student has an event with the same submission id"
AHEAD = f"an event {KEPT_OUT}recorded_at lies after the clock of the database: set the clock of the machine that appends"
BEFORE = f"an event {KEPT_OUT}recorded_at lies before that of the student's last event"
PAST = (f"an event {KEPT_OUT}recorded_at lies in the past, which only career_ledger_importer may record: leave it out, "
        "have that role granted, or set the clock of the machine that appends")
REFUSAL = f"a refused submission {KEPT_OUT}its student, id, digest or outcome has not the form that they have"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _submission(stream: str, state: str) -> str:
    """What finds an event by its stream and its submission id, as its bytes spell that: behind `effective_on`, which no field that
    stands later in an event has."""
    spelled = f"""split_part(split_part(encode({state}, 'escape'), ',"effective_on":"', -1), '","', 2)"""
    return f"hashtextextended({spelled}, uuid_hash({stream}))"


POSTGRES_IDS = f"""
CREATE INDEX IF NOT EXISTS stored_events_submissions ON public.stored_events (({_submission('originator_id', 'state')}));
"""
"""Eight bytes an event, in which one of the checks looks: to go through the whole stream took longer than all else."""

POSTGRES = rf"""
CREATE OR REPLACE FUNCTION public.career_ledger_stream(student text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp AS $body$
DECLARE  -- uuid5 of the student: SHA-1, which PostgreSQL has in an extension only
    m bytea := '\x{STUDENTS.hex}'::bytea || convert_to(student, 'UTF8');
    h bigint[] := '{{1732584193, 4023233417, 2562383102, 271733878, 3285377520}}';
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
END $body$;

CREATE OR REPLACE FUNCTION public.career_ledger_may_import() RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    RETURN EXISTS (SELECT FROM pg_roles WHERE rolname = 'career_ledger_importer' AND pg_has_role(session_user, oid, 'MEMBER'))
        OR (SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'public.stored_events'::regclass);
END $body$;

CREATE OR REPLACE FUNCTION public.career_ledger_check(first bigint, until bigint) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off AS $body$
DECLARE  -- what has just been inserted, by its positions; `stream` to `ids`: how the event before it leaves its stream
    latest timestamptz := clock_timestamp() + interval '{AHEAD_SECONDS} s';
    oldest timestamptz := clock_timestamp() - interval '{PAST_SECONDS} s';
    stream uuid; version bigint; student text; last timestamptz; held bigint; ids text[]; e record; wrong text;
BEGIN
    FOR e IN
        SELECT n.originator_id AS stream, n.originator_version AS version, n.state, j.id, j.student, spelled, moment,
               n.topic = ANY ('{{{','.join(_NAMES)}}}') AS known,
               substring(n.state FROM octet_length(n.state) - octet_length(ending) + 1) = ending AS agrees,
               position(spelled IN n.state) > 0 AND left(j.data::text, 1) = '{{' AND j.recorded_at LIKE '____-__-__T__:__:__%Z' AS formed,
               n.topic = ANY ('{{{','.join(_SEALED_ONLY)}}}') AND (j.data::text <> '{{}}' OR position('\x{_BOX}'::bytea IN n.state) = 0)
                   AS clear
        FROM public.stored_events AS n, LATERAL json_to_record(convert_from(n.state, 'UTF8')::json)
            AS j (id text, student text, recorded_at text, data json),
            LATERAL (SELECT convert_to(',"id":' || to_json(j.id) || ',', 'UTF8') AS spelled, j.recorded_at::timestamptz AS moment,
                convert_to(',"student":"' || j.student || '","type":"' || split_part(n.topic, '.v', 1) || '","version":'
                           || n.originator_version || '}}', 'UTF8') AS ending OFFSET 0) AS told
        WHERE n.notification_id BETWEEN first AND until ORDER BY n.originator_id, n.originator_version
    LOOP
        IF stream IS DISTINCT FROM e.stream THEN
            stream := e.stream; ids := '{{}}'; held := e.version - 1;
            IF held = 0 THEN
                version := 0; student := e.student; last := '-infinity';
                IF e.student IS NULL OR public.career_ledger_stream(e.student) <> stream THEN
                    RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = {_quoted(STREAM)};
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
            WHEN e.known IS NOT TRUE THEN {_quoted(NAME)}
            WHEN e.version IS DISTINCT FROM version + 1 THEN {_quoted(HOLE)}
            WHEN e.student IS DISTINCT FROM student THEN {_quoted(STREAM)}
            WHEN e.agrees IS NOT TRUE THEN {_quoted(DISAGREES)}
            WHEN e.formed IS NOT TRUE THEN {_quoted(FIELDS)}
            WHEN e.clear THEN {_quoted(CLEAR)}
            WHEN e.moment < last THEN {_quoted(BEFORE)}
            WHEN e.moment > latest THEN {_quoted(AHEAD)}
            WHEN e.moment < oldest THEN {_quoted(PAST)}
            ELSE {_quoted(TWICE)} END;
        IF wrong IS NULL AND held > 0 THEN
            -- IS TRUE: not by the index of versions, which holds all events of the stream
            PERFORM FROM public.stored_events AS s WHERE {_submission('s.originator_id', 's.state')} = {_submission('stream', 'e.state')}
                AND (s.originator_id = stream AND s.originator_version <= held) IS TRUE AND position(e.spelled IN s.state) > 0;
            wrong := CASE WHEN FOUND THEN {_quoted(TWICE)} END;
        END IF;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = wrong;
        END IF;
        version := e.version; last := e.moment; ids := array_append(ids, e.id);
    END LOOP;
EXCEPTION WHEN invalid_text_representation OR invalid_parameter_value OR character_not_in_repertoire OR untranslatable_character
        OR invalid_datetime_format OR datetime_field_overflow THEN
    RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = {_quoted(NO_JSON)} || ' (' || SQLERRM || ')';
END $body$;

CREATE OR REPLACE FUNCTION public.career_ledger_refuse(students text[], ids bytea[], contents bytea[], outcomes bytea[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $body$
DECLARE  -- how many of them nobody had remembered
    added bigint;
BEGIN
    IF EXISTS (
        SELECT FROM unnest(students, ids, contents, outcomes) AS n (student, id, content, outcome),
            LATERAL (SELECT convert_from(n.outcome, 'UTF8') AS t OFFSET 0) AS decoded
        WHERE (n.student ~ '^[A-Za-z0-9._-]{{1,64}}$' AND octet_length(n.id) BETWEEN 1 AND 800 AND octet_length(n.content) = {DIGEST_BYTES}
               AND json_typeof(t::json) = 'object' AND t ~ '"outcome": ?"(refused|invalid)"') IS NOT TRUE)
    THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = {_quoted(REFUSAL)};
    END IF;
    INSERT INTO public.refused_submissions (student, id, content, outcome)
    SELECT * FROM unnest(students, ids, contents, outcomes) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $body$;

CREATE OR REPLACE FUNCTION public.career_ledger_append(streams uuid[], versions bigint[], names text[], states bytea[])
RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '{LOCK_SECONDS}s'
AS $body$
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
$body$;
REVOKE ALL ON FUNCTION public.career_ledger_append(uuid[], bigint[], text[], bytea[]),
    public.career_ledger_refuse(text[], bytea[], bytea[], bytea[]), public.career_ledger_check(bigint, bigint),
    public.career_ledger_stream(text) FROM PUBLIC;
"""

POSTGRES_FORGET = """
CREATE OR REPLACE FUNCTION public.career_ledger_forget(stream uuid, who text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $body$
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
END $body$;
REVOKE ALL ON FUNCTION public.career_ledger_forget(uuid, text) FROM PUBLIC;
"""
"""What is remembered of refused submissions goes with the person. Nobody may delete anything else."""


def _sqlite() -> dict[str, str]:
    text = "CAST(NEW.state AS TEXT)"

    def last(expression: str) -> str:
        return (f"(SELECT {expression} FROM stored_events AS e WHERE e.originator_id = NEW.originator_id "
                "AND e.originator_version = NEW.originator_version - 1)")

    def field(name: str, row: str = "NEW") -> str:
        return f"json_extract(CAST({row}.state AS TEXT), '$.{name}')"

    def moment(row: str) -> str:
        return f"rtrim({field('recorded_at', row)}, 'Z')"  # without it, text of whole seconds stands before text of parts of one

    def id_of(row: str) -> str:
        """Of a stored event, which older programs may have stored however damaged."""
        stored = f"CAST({row}state AS TEXT)"
        return f"iif(json_valid({stored}), json_extract({stored}, '$.id'), NULL)"

    ending = (f"""(',"student":"' || {field('student')} || '","type":"' || substr(NEW.topic, 1, instr(NEW.topic, '.v') - 1) """
              """|| '","version":' || NEW.originator_version || '}')""")
    spelled = f"""CAST(',"id":' || json_quote({field('id')}) || ',' AS BLOB)"""
    latest = f"strftime('%Y-%m-%dT%H:%M:%f', 'now', '+{AHEAD_SECONDS} seconds')"
    event = (
        (NO_JSON, f"typeof(NEW.state) <> 'blob' OR substr({text}, 1, 1) <> '{{' OR NOT json_valid({text})"),
        (NAME, f"instr({_quoted(',' + ','.join(_NAMES) + ',')}, ',' || NEW.topic || ',') = 0"),  # a list is built anew for each event
        (HOLE, "NEW.originator_version <> 1 + (SELECT coalesce(max(e.originator_version), 0) FROM stored_events AS e "
               "WHERE e.originator_id = NEW.originator_id)"),
        (STREAM, f"CASE NEW.originator_version WHEN 1 THEN coalesce({field('student')}, '') IN ('') "
                 f"OR {field('student')} GLOB '*[^A-Za-z0-9._-]*' OR NEW.originator_id NOT GLOB '{'[0-9a-f]' * 32}' "
                 f"ELSE {field('student')} IS NOT {last(field('student', 'e'))} END"),
        (DISAGREES, f"substr({text}, -length({ending})) IS NOT {ending}"),
        (FIELDS, f"coalesce(instr(NEW.state, {spelled}), 0) = 0 OR json_type({text}, '$.data') IS NOT 'object' "
                 f"OR coalesce({field('recorded_at')}, '') NOT GLOB '????-??-??T??:??:??*Z' OR julianday({moment('NEW')}) IS NULL"),
        (CLEAR, f"NEW.topic IN ({', '.join(map(_quoted, _SEALED_ONLY))}) "
                f"AND ({field('data')} IS NOT '{{}}' OR json_type({text}, '$.sealed.box') IS NOT 'text')"),
        (AHEAD, f"{moment('NEW')} > {latest} AND {moment('NEW')} > coalesce({last(moment('e'))}, '')"),
        (BEFORE, f"{moment('NEW')} < {last(moment('e'))}"),
        (TWICE, f"EXISTS (SELECT 1 FROM stored_events AS e WHERE e.originator_id = NEW.originator_id "
                f"AND {id_of('e.')} = {field('id')})"))  # by the index
    outcome = "CAST(NEW.outcome AS TEXT)"
    refusal = (
        (REFUSAL, f"NEW.student GLOB '*[^A-Za-z0-9._-]*' OR length(NEW.student) NOT BETWEEN 1 AND 64 "
                  f"OR length(NEW.id) NOT BETWEEN 1 AND 800 OR typeof(NEW.content) <> 'blob' OR length(NEW.content) <> {DIGEST_BYTES} "
                  f"OR NOT json_valid({outcome}) OR coalesce(json_extract({outcome}, '$.outcome'), '') NOT IN ('refused', 'invalid')"),)

    def trigger(name: str, table: str, checks: Sequence[tuple[str, str]]) -> str:
        steps = "\n".join(f"    SELECT RAISE(ABORT, {_quoted(message)}) WHERE {wrong};" for message, wrong in checks)
        return f"CREATE TRIGGER {name} BEFORE INSERT ON {table} BEGIN\n{steps}\nEND"

    return {"stored_events_ids": f"CREATE INDEX stored_events_ids ON stored_events (originator_id, {id_of('')})",
            "stored_events_guard": trigger("stored_events_guard", "stored_events", event),
            "refused_submissions_guard": trigger("refused_submissions_guard", "refused_submissions", refusal)}


SQLITE = _sqlite()
"""The triggers, and the index that one of them looks into, by their names, as SQLite keeps their text."""
