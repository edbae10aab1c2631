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
CREATE TABLE public.used_tokens (
    token text NOT NULL,
    until text NOT NULL
);
INSERT INTO public.key_store VALUES ('8fe4ca31aefb4a55bd4543ed053e65f1', '2026-11-28T12:56:19.733810+00:00', 'ccd5264089408d01', '\x42e21238b69dd633a92209896e8aa26e0f4e71b6ac0d67f6a6154665938da294877b5a2fad33b634752eab897b01956f0d66937535b5d8db57b492dfd7f09a2489624ebb85fe48ccce58bcfdc776660428b693100f6e57dcd3a0c991', 0, 0);
INSERT INTO public.key_store_migrations VALUES ('keys', 1, 'keys', '2026-11-28T12:56:19.672466+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 2, '_names_and_access', '2026-11-28T12:56:19.684880+00:00');
INSERT INTO public.key_store_migrations VALUES ('keys', 3, '_eservices', '2026-11-28T12:56:19.700172+00:00');
INSERT INTO public.names VALUES ('S-DEMO-07', '40ead8c126d732a291452e39676b9daf', 'eca41d72ed4e5c7be6414c2bc37b079b');
INSERT INTO public.names VALUES ('S-DEMO-07', '54c9782a0eacab0f339126db460e6c7a', '27eb677c2245b0c82577c2eca3b2970c');
INSERT INTO public.names VALUES ('S-DEMO-07', '62762c76a3f6e0f123f61bf496377f63', 'bb786a19313ec3713a9e6624b126f5b1');
INSERT INTO public.student_keys VALUES ('S-DEMO-07', 1, '\x22fb5b3309bd82cc0825b1922bda79e58fcf05ac427285343567c0c8e8a94c85540041aa5aa6192412cc2479c26457a5a4b0b88da7afdf289ec7840b', 'ccd5264089408d01', '2026-11-28T12:56:21.245163+00:00');
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
ALTER TABLE ONLY public.used_tokens
    ADD CONSTRAINT used_tokens_pkey PRIMARY KEY (token);
CREATE INDEX counted_enrolments_of ON public.counted_enrolments USING btree (student);
CREATE INDEX fingerprint_keys_of ON public.fingerprint_keys USING btree (student);
CREATE INDEX fingerprints_of ON public.fingerprints USING btree (student);
CREATE INDEX names_by_folded ON public.names USING btree (folded);
CREATE INDEX tax_codes_of ON public.tax_codes USING btree (student);
CREATE TRIGGER access_log_is_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON public.access_log FOR EACH STATEMENT EXECUTE FUNCTION public.career_ledger_keep_access();
