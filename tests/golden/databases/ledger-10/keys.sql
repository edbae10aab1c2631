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
INSERT INTO public.key_store VALUES ('cc9ba9a8feba46c685ed938d9f2f0072', '2026-11-28T13:30:17.197761+00:00', '328c3164fa918cfa', '\xb8d1437cc8af95f9271d141f08dd382104c9c667014050a6511630c6a00ca080eefe217fef4e5d2156e04d39570e310aa78555b35fe4d35c0b860f1c8b0c260891b36fcec234fd50ca77e142e1c1d918ca901b2bb5a2fa4010031125', 0, 0);
INSERT INTO public.key_store_migrations VALUES ('keys', 1, 'keys', '2026-11-28T13:30:16.745593+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 2, '_names_and_access', '2026-11-28T13:30:16.777051+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 3, '_eservices', '2026-11-28T13:30:16.931963+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 4, '_tickets', '2026-11-28T13:30:16.984531+00:00');
INSERT INTO public.names VALUES ('S-DEMO-07', '21135db058ed617f51b0f0b24dd2f10a', '39f67eb81250a5c9ac11528ecd082f99');
INSERT INTO public.names VALUES ('S-DEMO-07', '4eefcf5181c791d5efa476908637a108', '1a8c5cf09063bd086b44cec2a4f4e9c9');
INSERT INTO public.names VALUES ('S-DEMO-07', '6c7ba7bb36805f9521c71ca5605397bf', '260bd5a873e52c5f4c8ebf93ed625a69');
INSERT INTO public.student_keys VALUES ('S-DEMO-07', 1, '\x3a03aa9a6ce8866f7dbde9ac0ad15680810e585d45c8ecefe1f54387fe7455ab382e76dfd43fa5ae9342971d654511c68c850ca6f00f542ef661d77b', '328c3164fa918cfa', '2026-11-28T13:30:21.188361+00:00');
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
