-- Bulk exports: what was asked for, how far it is, the files that there are.

-- The transaction that stored a row decides whether an export may see it. Rows from before this migration
-- count as stored by it; no table is rewritten.
ALTER TABLE research.submission ADD COLUMN stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
COMMENT ON COLUMN research.submission.stored_xid IS 'The transaction that stored it, for pg_visible_in_snapshot.';
-- An export reads one site in the order of its keys, whatever lies between.
CREATE INDEX submission_site_idx ON research.submission (site_id, submission_id, pseudonym);

CREATE TABLE ops.export (
    export_id    uuid        NOT NULL,
    study_ids    text[]      NOT NULL,
    site_id      text        NOT NULL,
    instruments  text[]      NOT NULL,
    period_from  timestamptz NOT NULL,
    period_to    timestamptz NOT NULL,
    format       text        NOT NULL,
    identified   boolean     NOT NULL,
    snapshot     text        NOT NULL,
    actor        text        NOT NULL,
    client       text,
    trace_id     text,
    requested_at timestamptz NOT NULL,
    state        text        NOT NULL DEFAULT 'queued',
    state_at     timestamptz NOT NULL DEFAULT now(),
    next_at      timestamptz NOT NULL DEFAULT now(),
    slot         text,
    owner        uuid,
    term         bigint,
    run          integer     NOT NULL DEFAULT 0,
    attempts     integer     NOT NULL DEFAULT 0,
    started_at   timestamptz,
    finished_at  timestamptz,
    expires_at   timestamptz,
    header       text[],
    rows         bigint      NOT NULL DEFAULT 0,
    bytes        bigint      NOT NULL DEFAULT 0,
    estimate     bigint,
    last_error   text,
    CONSTRAINT export_pkey PRIMARY KEY (export_id),
    CONSTRAINT export_format CHECK (format IN ('csv', 'ndjson', 'documents')),
    CONSTRAINT export_state CHECK
        (state IN ('queued', 'running', 'cancelling', 'done', 'failed', 'cancelled', 'expired'))
);
COMMENT ON TABLE ops.export IS 'One row an export; whoever holds the lease of its slot works at it.';
COMMENT ON COLUMN ops.export.snapshot IS 'pg_snapshot at the request: what was stored later is not in it.';
COMMENT ON COLUMN ops.export.run IS 'Grows whenever somebody takes it in hand; whoever has an older one writes nothing more.';
COMMENT ON COLUMN ops.export.header IS 'Column names of its CSV files, fixed when the first run begins.';
CREATE INDEX export_open_idx ON ops.export (requested_at) WHERE state IN ('queued', 'running', 'cancelling');
CREATE INDEX export_expires_idx ON ops.export (expires_at) WHERE state = 'done';

CREATE TABLE ops.export_part (
    export_id       uuid     NOT NULL,
    part            integer  NOT NULL,
    name            text     NOT NULL,
    object          text     NOT NULL,
    rows            bigint   NOT NULL,
    bytes           bigint   NOT NULL,
    sha256          bytea    NOT NULL,
    last_submission uuid     NOT NULL,
    last_pseudonym  uuid     NOT NULL,
    CONSTRAINT export_part_pkey PRIMARY KEY (export_id, part)
);
COMMENT ON TABLE ops.export_part IS 'One row a finished file, with the last key in it: a new run goes on behind the last one. Part 0 is the manifest.';

GRANT SELECT, INSERT, UPDATE ON ops.export TO epro_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.export_part TO epro_worker;
GRANT SELECT ON ops.export, ops.export_part TO epro_intake, epro_operator;
