-- Comprehensive reports: a row a job, written by the owner of the hospital's lease, read by the door. What the report
-- says, and whose it is, is under a seal; the row goes when the report expires.

CREATE TABLE ops.report (
    report_id    uuid        NOT NULL,
    pseudonym    uuid        NOT NULL,
    study_id     text        NOT NULL,
    site_id      text        NOT NULL,
    state        text        NOT NULL DEFAULT 'running',
    requested_at timestamptz NOT NULL,
    deadline_at  timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    complete     boolean,
    missing      jsonb,
    body         bytea,
    CONSTRAINT report_pkey PRIMARY KEY (report_id),
    CONSTRAINT report_state CHECK (state IN ('running', 'done')),
    CONSTRAINT report_done
        CHECK ((state = 'done') = (finished_at IS NOT NULL AND complete IS NOT NULL AND missing IS NOT NULL AND body IS NOT NULL))
);
COMMENT ON TABLE ops.report IS 'One row a report that was taken in hand; deleted when it expires.';
COMMENT ON COLUMN ops.report.missing IS 'What is missing by name, and why: [{"service", "reason"}].';
COMMENT ON COLUMN ops.report.body IS 'The report under a seal.';
CREATE INDEX report_expires_at_idx ON ops.report (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON ops.report TO epro_worker;
GRANT SELECT ON ops.report TO epro_intake;
GRANT SELECT (report_id, pseudonym, study_id, site_id, state, requested_at, deadline_at, expires_at, finished_at, complete, missing)
    ON ops.report TO epro_operator;
