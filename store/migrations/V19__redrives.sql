-- Redrives as jobs: what a job is to redrive is fixed when it is made, and each of its dead letters is noted when it
-- is done, so that a job can be stopped, resumed and followed.

CREATE TABLE ops.redrive (
    redrive_id bigint      GENERATED ALWAYS AS IDENTITY,
    actor      text        NOT NULL,
    reason     text        NOT NULL,
    rate       integer     NOT NULL,
    state      text        NOT NULL DEFAULT 'open',
    runner     uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    state_at   timestamptz NOT NULL DEFAULT now(),
    stepped_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT redrive_pkey PRIMARY KEY (redrive_id),
    CONSTRAINT redrive_state CHECK (state IN ('open', 'cancelled', 'done'))
);
COMMENT ON TABLE ops.redrive IS 'One row a redrive that an operator asked for.';
COMMENT ON COLUMN ops.redrive.rate IS 'Dead letters a second, at most.';
COMMENT ON COLUMN ops.redrive.runner IS 'Who works at it: whoever resumes it takes it over, and another one stops at its next step.';

CREATE TABLE ops.redrive_item (
    redrive_id     bigint      NOT NULL,
    dead_letter_id bigint      NOT NULL,
    times          integer     NOT NULL,
    state          text        NOT NULL DEFAULT 'waiting',
    outcome        text,
    at             timestamptz,
    CONSTRAINT redrive_item_pkey PRIMARY KEY (redrive_id, dead_letter_id),
    CONSTRAINT redrive_item_state CHECK (state IN ('waiting', 'redriven', 'settled', 'failed'))
);
COMMENT ON TABLE ops.redrive_item IS 'One row a dead letter of a redrive. What fails after the redrive was made is in none of its rows.';
COMMENT ON COLUMN ops.redrive_item.times IS 'How often it had failed when the redrive was made: what fails again later isn''t meant.';
COMMENT ON COLUMN ops.redrive_item.state IS 'settled: there was nothing to publish. failed: it stays as it was; outcome says why.';
CREATE INDEX redrive_item_waiting_idx ON ops.redrive_item (redrive_id, dead_letter_id) WHERE state = 'waiting';

ALTER TABLE ops.dead_letter ADD COLUMN failed_again boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN ops.dead_letter.failed_again IS 'It was redriven and failed the same way: lane, class, stage and detail.';

GRANT SELECT, INSERT ON ops.redrive, ops.redrive_item TO epro_operator;
GRANT UPDATE (state, runner, state_at, stepped_at) ON ops.redrive TO epro_operator;
GRANT UPDATE (state, outcome, at) ON ops.redrive_item TO epro_operator;
GRANT UPDATE (failed_again) ON ops.dead_letter TO epro_operator;
