-- What the relay itself needs: follow-ons, dead letters, suspects, leases, pauses.

CREATE TABLE ops.alert (
    alert_id      uuid        NOT NULL,
    submission_id uuid        NOT NULL,
    pseudonym     uuid        NOT NULL,
    study_id      text        NOT NULL,
    site_id       text        NOT NULL,
    rule          text        NOT NULL,
    severity      text        NOT NULL,
    state         text        NOT NULL DEFAULT 'queued',
    created_at    timestamptz NOT NULL DEFAULT now(),
    state_at      timestamptz NOT NULL DEFAULT now(),
    next_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT alert_pkey PRIMARY KEY (alert_id),
    CONSTRAINT alert_state CHECK (state IN ('queued', 'unsent', 'done'))
);
COMMENT ON TABLE ops.alert IS 'One row an alert, whatever the verdict on its submission; next_at is when somebody must be told (again).';
CREATE INDEX alert_submission_idx ON ops.alert (submission_id);
CREATE INDEX alert_unsent_idx ON ops.alert (state_at) WHERE state = 'unsent';

CREATE TABLE ops.delivery (
    submission_id uuid        NOT NULL,
    pseudonym     uuid        NOT NULL,
    site_id       text        NOT NULL,
    generation    integer     NOT NULL DEFAULT 1,
    state         text        NOT NULL DEFAULT 'queued',
    created_at    timestamptz NOT NULL DEFAULT now(),
    state_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT delivery_pkey PRIMARY KEY (submission_id, pseudonym),
    CONSTRAINT delivery_state CHECK (state IN ('queued', 'unsent', 'done'))
);
COMMENT ON TABLE ops.delivery IS 'One row a submission that goes to a hospital; a message of an older generation has no effect.';
CREATE INDEX delivery_unsent_idx ON ops.delivery (state_at) WHERE state = 'unsent';

CREATE TABLE ops.dead_letter (
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    lane           text        NOT NULL,
    queue          text        NOT NULL,
    message_id     uuid,
    content_sha256 bytea       NOT NULL,
    class          text        NOT NULL,
    stage          text,
    detail         text,
    submission_id  uuid,
    pseudonym      uuid,
    site_id        text,
    study_id       text,
    instrument     text,
    received_at    timestamptz,
    kind           text,
    headers        jsonb       NOT NULL,
    wrapped        boolean     NOT NULL,
    body           bytea       NOT NULL,
    times          integer     NOT NULL DEFAULT 1,
    first_at       timestamptz NOT NULL DEFAULT now(),
    last_at        timestamptz NOT NULL DEFAULT now(),
    state          text        NOT NULL DEFAULT 'open',
    settled_by     text,
    settled_at     timestamptz,
    settled_reason text,
    CONSTRAINT dead_letter_pkey PRIMARY KEY (id),
    CONSTRAINT dead_letter_state CHECK (state IN ('open', 'redriven', 'discarded'))
);
ALTER TABLE ops.dead_letter ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE ops.dead_letter IS 'What was set aside with a reason. The body is sealed; wrapped says whether it was sealed for this table.';
COMMENT ON COLUMN ops.dead_letter.content_sha256 IS 'SHA-256 of the bytes that intake received, or of the message body where the envelope can''t be opened.';
CREATE UNIQUE INDEX dead_letter_key ON ops.dead_letter
    (lane, COALESCE(message_id, '00000000-0000-0000-0000-000000000000'), content_sha256, class);
CREATE INDEX dead_letter_submission_idx ON ops.dead_letter (submission_id) WHERE submission_id IS NOT NULL;
CREATE INDEX dead_letter_open_idx ON ops.dead_letter (id) WHERE state = 'open';

CREATE TABLE ops.suspect (
    key      uuid        NOT NULL,
    lane     text        NOT NULL,
    starts   integer     NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT suspect_pkey PRIMARY KEY (key)
);
COMMENT ON TABLE ops.suspect IS 'Messages that came back after a crash, with how often each was started since.';

CREATE TABLE ops.lease (
    kind  text        NOT NULL,
    key   text        NOT NULL,
    owner uuid,
    term  bigint      NOT NULL DEFAULT 0,
    until timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT lease_pkey PRIMARY KEY (kind, key)
);
COMMENT ON TABLE ops.lease IS 'Who owns what until when, by the database''s clock; term grows with every change of owner.';

CREATE TABLE ops.lease_owner (
    kind  text        NOT NULL,
    owner uuid        NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT lease_owner_pkey PRIMARY KEY (kind, owner)
);
COMMENT ON TABLE ops.lease_owner IS 'The replicas that are here, also those that own nothing yet: the fair share is counted from them.';

CREATE TABLE ops.pause (
    kind      text        NOT NULL,
    key       text        NOT NULL,
    paused_by text        NOT NULL,
    reason    text        NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pause_pkey PRIMARY KEY (kind, key)
);
COMMENT ON TABLE ops.pause IS 'What was stopped on purpose, by whom and why.';

GRANT SELECT, INSERT, UPDATE ON ops.alert, ops.delivery, ops.dead_letter, ops.suspect, ops.lease, ops.lease_owner
    TO epro_worker;
GRANT DELETE ON ops.suspect, ops.lease_owner TO epro_worker;
GRANT SELECT, INSERT ON ops.pause TO epro_worker;

GRANT SELECT ON ops.alert, ops.delivery, ops.pause TO epro_intake;
GRANT SELECT (id, submission_id, pseudonym, site_id, study_id, instrument, received_at, class, detail, last_at, state)
    ON ops.dead_letter TO epro_intake;

GRANT SELECT ON ALL TABLES IN SCHEMA ops TO epro_operator;
GRANT UPDATE (state, settled_by, settled_at, settled_reason) ON ops.dead_letter TO epro_operator;
GRANT UPDATE (state, state_at, generation) ON ops.delivery TO epro_operator;
GRANT UPDATE (state, state_at, next_at) ON ops.alert TO epro_operator;
GRANT INSERT, DELETE ON ops.pause TO epro_operator;
