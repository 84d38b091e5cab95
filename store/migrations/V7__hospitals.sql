-- The hospital lane: where each delivery stands, each call that was made, and each hospital's state.

ALTER TABLE ops.delivery
    ADD COLUMN attempts     integer NOT NULL DEFAULT 0,
    ADD COLUMN begun        boolean NOT NULL DEFAULT false,
    ADD COLUMN failed_at    timestamptz,
    ADD COLUMN last_outcome text,
    ADD COLUMN last_detail  text,
    ADD COLUMN last_at      timestamptz,
    DROP CONSTRAINT delivery_state,
    ADD CONSTRAINT delivery_state
        CHECK (state IN ('queued', 'unsent', 'waits', 'done', 'superseded', 'set_aside'));
COMMENT ON COLUMN ops.delivery.attempts IS 'Charged tries of this generation: failed although the hospital answered other messages well.';
COMMENT ON COLUMN ops.delivery.begun IS 'A call was begun, so the hospital may have it: what amends it goes as a correction.';
COMMENT ON COLUMN ops.delivery.failed_at IS 'The last failed try of this generation, charged or not.';
COMMENT ON COLUMN ops.delivery.last_detail IS 'What the hospital answered, redacted: status, codes and places, never its text.';
CREATE INDEX delivery_open_idx ON ops.delivery (site_id) WHERE state IN ('queued', 'unsent', 'waits');

CREATE TABLE ops.delivery_attempt (
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    submission_id uuid        NOT NULL,
    pseudonym     uuid        NOT NULL,
    generation    integer     NOT NULL,
    site_id       text        NOT NULL,
    outcome       text        NOT NULL,
    detail        text        NOT NULL,
    duration_ms   integer     NOT NULL,
    charged       boolean     NOT NULL,
    owner         uuid        NOT NULL,
    trace_id      text,
    CONSTRAINT delivery_attempt_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE ops.delivery_attempt IS 'One row a call of a hospital whose outcome became known to us.';
CREATE INDEX delivery_attempt_submission_idx ON ops.delivery_attempt (submission_id);

CREATE TABLE ops.hospital_state (
    site_id       text        NOT NULL,
    owner         uuid        NOT NULL,
    term          bigint      NOT NULL,
    gate          text        NOT NULL,
    gate_reason   text,
    gate_since    timestamptz NOT NULL,
    calls         bigint      NOT NULL DEFAULT 0,
    taken         bigint      NOT NULL DEFAULT 0,
    refused       bigint      NOT NULL DEFAULT 0,
    failed        bigint      NOT NULL DEFAULT 0,
    well_at       timestamptz,
    last_error    text,
    last_error_at timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT hospital_state_pkey PRIMARY KEY (site_id)
);
COMMENT ON TABLE ops.hospital_state IS 'Written by the owner of the hospital''s lease, on change and at most once a second.';
COMMENT ON COLUMN ops.hospital_state.gate IS 'closed: calls pass. open: none does. half_open: one probe. shut: none until the hospital''s Retry-After is over.';
COMMENT ON COLUMN ops.hospital_state.well_at IS 'When the hospital last took something.';

GRANT SELECT, INSERT ON ops.delivery_attempt TO epro_worker;
GRANT SELECT, INSERT, UPDATE ON ops.hospital_state TO epro_worker;
GRANT SELECT ON ops.delivery_attempt, ops.hospital_state TO epro_operator;
GRANT UPDATE (attempts, failed_at) ON ops.delivery TO epro_operator;
