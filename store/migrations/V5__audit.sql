-- Who did what. Rows are inserted and read, never changed: no role has UPDATE or DELETE.

CREATE TABLE audit.writer (
    writer    uuid        NOT NULL,
    name      text        NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT writer_pkey PRIMARY KEY (writer)
);
COMMENT ON TABLE audit.writer IS 'One row a chain; its name is part of the first event''s prev_hash.';

CREATE TABLE audit.event (
    writer        uuid        NOT NULL,
    seq           bigint      NOT NULL,
    at            timestamptz NOT NULL,
    action        text        NOT NULL,
    outcome       text        NOT NULL,
    actor         text        NOT NULL,
    client        text,
    from_network  text,
    submission_id uuid,
    pseudonym     uuid,
    site_id       text,
    study_id      text,
    body_sha256   bytea,
    received_at   timestamptz,
    -- json and not jsonb: the hash covers this very text.
    details       json,
    trace_id      text,
    prev_hash     bytea       NOT NULL,
    hash          bytea       NOT NULL,
    CONSTRAINT event_pkey PRIMARY KEY (writer, seq)
);
COMMENT ON TABLE audit.event IS 'A chain for each writer: seq without gaps from 1, hash = SHA-256(canonical bytes || prev_hash), see epro_store::audit.';
CREATE INDEX event_submission_idx ON audit.event (submission_id) WHERE submission_id IS NOT NULL;

GRANT INSERT, SELECT ON audit.writer, audit.event TO epro_worker, epro_operator;
