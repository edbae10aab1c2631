SET check_function_bodies = false;
CREATE FUNCTION public.career_ledger_keep_access() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation', MESSAGE = 'the access log is never changed';
END;
$$;
CREATE TABLE public.access_log (
    number bigint NOT NULL,
    at text NOT NULL,
    student text,
    who text NOT NULL,
    actor text,
    what text NOT NULL,
    sealed_by integer NOT NULL,
    purpose bytea NOT NULL
);
ALTER TABLE public.access_log ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.access_log_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.counted_enrolments (
    student text NOT NULL,
    academic_year text NOT NULL,
    course text NOT NULL,
    told bytea NOT NULL
);
CREATE TABLE public.fingerprint_keys (
    place text NOT NULL,
    student text NOT NULL
);
CREATE TABLE public.fingerprint_state (
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    again bigint,
    at text NOT NULL,
    made_of text NOT NULL,
    steps text NOT NULL
);
CREATE TABLE public.fingerprints (
    service text NOT NULL,
    place text NOT NULL,
    student text NOT NULL,
    from_on text NOT NULL,
    until_on text,
    since bigint NOT NULL,
    until bigint,
    recent_on text,
    listed integer NOT NULL,
    value bytea NOT NULL
);
CREATE TABLE public.forgotten (
    student text NOT NULL,
    at text NOT NULL,
    event text NOT NULL
);
CREATE TABLE public.key_store (
    ledger text NOT NULL,
    made_at text NOT NULL,
    master text NOT NULL,
    own bytea NOT NULL,
    looked_through bigint NOT NULL,
    to_scrub integer NOT NULL
);
CREATE TABLE public.key_store_migrations (
    part text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    applied_at text NOT NULL
);
CREATE TABLE public.names (
    student text NOT NULL,
    folded text NOT NULL,
    exact text NOT NULL
);
CREATE TABLE public.orders (
    at text NOT NULL,
    student text NOT NULL,
    said bytea NOT NULL
);
CREATE TABLE public.student_keys (
    student text NOT NULL,
    number integer NOT NULL,
    wrapped bytea NOT NULL,
    master text NOT NULL,
    made_at text NOT NULL
);
CREATE TABLE public.tax_codes (
    hmac text NOT NULL,
    student text NOT NULL,
    at text NOT NULL
);
CREATE TABLE public.ticket_mails (
    number text NOT NULL,
    kind text NOT NULL,
    student text NOT NULL,
    made_at text NOT NULL,
    state text NOT NULL,
    why text,
    attempts integer NOT NULL,
    next_attempt double precision NOT NULL
);
CREATE TABLE public.ticket_state (
    "position" bigint NOT NULL
);
CREATE TABLE public.ticket_tries (
    place text NOT NULL,
    hour bigint NOT NULL,
    tries integer NOT NULL
);
CREATE TABLE public.tickets (
    number text NOT NULL,
    student text NOT NULL,
    linked text,
    pair text,
    form text,
    on_day text NOT NULL,
    service text NOT NULL,
    context text NOT NULL,
    kind text NOT NULL,
    opened_at text,
    closed_at text
);
CREATE TABLE public.used_tokens (
    token text NOT NULL,
    until text NOT NULL
);
INSERT INTO public.key_store VALUES ('ad37a674a44a435693c0827f295eb1c1', '2026-11-28T18:09:17.391987+00:00', '22954eb3bed84cc6', '\xd88aa49dd82cce050dd0ec73c7fc637753ea153b48c496598a32fa2d2b654e2b8938ca9b3902e8652adba6ac26b87978e2107fb64bd5aa7eddc327f2e1c94e8e87552b354646110af287490517dc8a5627d991ff02d5079ecfa4423a', 0, 0);
INSERT INTO public.key_store_migrations VALUES ('keys', 1, 'keys', '2026-11-28T18:09:17.247173+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 2, '_names_and_access', '2026-11-28T18:09:17.273998+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 3, '_eservices', '2026-11-28T18:09:17.319822+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 4, '_tickets', '2026-11-28T18:09:17.363920+00:00');
INSERT INTO public.names VALUES ('S-DEMO-07', '18f914efd6608433fcdb74ef70f11224', 'ea64e8bbdd30cc23a268e885447b72de');
INSERT INTO public.names VALUES ('S-DEMO-07', '19a9ee6ba7e06fbceda6163c6598cc7e', '962567fa1822528e453efdd0620f8d6f');
INSERT INTO public.names VALUES ('S-DEMO-07', 'd9a4b37979dbb8acfcde721d43b97a75', 'b4dfa3ee74ee21910194f5ae03515d67');
INSERT INTO public.student_keys VALUES ('S-DEMO-07', 1, '\x55507ea39805608a33ffd2b50982d04075678fc7247bcb5a704d8206b5ab4d60fd478c0b387b4a44744d9aab9e186cc04d754007579d995d3461993d', '22954eb3bed84cc6', '2026-11-28T18:09:28.649443+00:00');
SELECT pg_catalog.setval('public.access_log_number_seq', 1, false);
ALTER TABLE ONLY public.access_log
    ADD CONSTRAINT access_log_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.counted_enrolments
    ADD CONSTRAINT counted_enrolments_pkey PRIMARY KEY (academic_year, course, student);
ALTER TABLE ONLY public.fingerprint_keys
    ADD CONSTRAINT fingerprint_keys_pkey PRIMARY KEY (place);
ALTER TABLE ONLY public.fingerprints
    ADD CONSTRAINT fingerprints_pkey PRIMARY KEY (service, place, since, from_on);
ALTER TABLE ONLY public.forgotten
    ADD CONSTRAINT forgotten_pkey PRIMARY KEY (student);
ALTER TABLE ONLY public.key_store_migrations
    ADD CONSTRAINT key_store_migrations_pkey PRIMARY KEY (part, number);
ALTER TABLE ONLY public.key_store
    ADD CONSTRAINT key_store_pkey PRIMARY KEY (ledger);
ALTER TABLE ONLY public.names
    ADD CONSTRAINT names_pkey PRIMARY KEY (student, folded, exact);
ALTER TABLE ONLY public.student_keys
    ADD CONSTRAINT student_keys_pkey PRIMARY KEY (student, number);
ALTER TABLE ONLY public.tax_codes
    ADD CONSTRAINT tax_codes_pkey PRIMARY KEY (hmac);
ALTER TABLE ONLY public.ticket_mails
    ADD CONSTRAINT ticket_mails_pkey PRIMARY KEY (number, kind);
ALTER TABLE ONLY public.ticket_tries
    ADD CONSTRAINT ticket_tries_pkey PRIMARY KEY (place, hour);
ALTER TABLE ONLY public.tickets
    ADD CONSTRAINT tickets_form_key UNIQUE (form);
ALTER TABLE ONLY public.tickets
    ADD CONSTRAINT tickets_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.used_tokens
    ADD CONSTRAINT used_tokens_pkey PRIMARY KEY (token);
CREATE INDEX counted_enrolments_of ON public.counted_enrolments USING btree (student);
CREATE INDEX fingerprint_keys_of ON public.fingerprint_keys USING btree (student);
CREATE INDEX fingerprints_of ON public.fingerprints USING btree (student);
CREATE INDEX names_by_folded ON public.names USING btree (folded);
CREATE INDEX tax_codes_of ON public.tax_codes USING btree (student);
CREATE INDEX ticket_mails_of ON public.ticket_mails USING btree (student);
CREATE INDEX ticket_mails_waiting ON public.ticket_mails USING btree (state, next_attempt);
CREATE INDEX tickets_by_time ON public.tickets USING btree (opened_at, number);
CREATE INDEX tickets_linked ON public.tickets USING btree (linked);
CREATE INDEX tickets_of ON public.tickets USING btree (student);
CREATE INDEX tickets_pair ON public.tickets USING btree (pair);
CREATE TRIGGER access_log_is_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON public.access_log FOR EACH STATEMENT EXECUTE FUNCTION public.career_ledger_keep_access();
