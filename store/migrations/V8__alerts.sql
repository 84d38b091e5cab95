-- Who has to be told about an alert, who was told, and what ends it; and what operators are told.

ALTER TABLE ops.alert
    ADD COLUMN received_at     timestamptz,
    ADD COLUMN level           integer     NOT NULL DEFAULT 1,
    ADD COLUMN level_at        timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text,
    ADD COLUMN closed_at       timestamptz,
    ADD COLUMN closed_by       text,
    ADD COLUMN closed_reason   text,
    ADD COLUMN repeats         uuid,
    ADD COLUMN withdrawn_by    uuid,
    ADD COLUMN withdrawn_at    timestamptz,
    ALTER COLUMN next_at DROP NOT NULL;
COMMENT ON COLUMN ops.alert.state IS 'done: acknowledged, closed, or the repeat of another alert; nobody is told any more.';
COMMENT ON COLUMN ops.alert.level IS 'How far it is escalated: people of this level and of those before it are told.';
COMMENT ON COLUMN ops.alert.next_at IS 'When somebody must be told (again): whoever tells moves it, so that nobody else does; null: nobody is left.';
COMMENT ON COLUMN ops.alert.repeats IS 'The alert that this one says again: that of the submission which this one''s amends.';
COMMENT ON COLUMN ops.alert.withdrawn_by IS 'The amendment that no longer gives this alert''s answer. It is still to be acknowledged.';
CREATE INDEX alert_due_idx ON ops.alert (next_at) WHERE state <> 'done';

CREATE TABLE ops.notice (
    alert_id  uuid        NOT NULL,
    channel   text        NOT NULL,
    recipient text        NOT NULL,
    state     text        NOT NULL,
    tries     integer     NOT NULL DEFAULT 1,
    first_at  timestamptz NOT NULL DEFAULT now(),
    last_at   timestamptz NOT NULL DEFAULT now(),
    error     text,
    CONSTRAINT notice_pkey PRIMARY KEY (alert_id, channel, recipient),
    CONSTRAINT notice_state CHECK (state IN ('sending', 'sent', 'failed'))
);
COMMENT ON TABLE ops.notice IS 'One row a notice, written before it is sent and after; the recipient is a name of the configuration, not an address.';
COMMENT ON COLUMN ops.notice.alert_id IS 'An alert, or a condition''s beginning or end.';
COMMENT ON COLUMN ops.notice.state IS 'sending: whoever sends it may have died over it; it is sent again under the same id.';

CREATE TABLE ops.condition (
    condition_id uuid        NOT NULL,
    cleared_id   uuid        NOT NULL,
    kind         text        NOT NULL,
    key          text        NOT NULL,
    state        text        NOT NULL DEFAULT 'pending',
    detail       text        NOT NULL,
    worst        bigint      NOT NULL,
    began_at     timestamptz NOT NULL DEFAULT now(),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    cleared_at   timestamptz,
    began_told   boolean     NOT NULL DEFAULT false,
    cleared_told boolean     NOT NULL DEFAULT false,
    CONSTRAINT condition_pkey PRIMARY KEY (condition_id),
    CONSTRAINT condition_state CHECK (state IN ('pending', 'open', 'cleared'))
);
COMMENT ON TABLE ops.condition IS 'What operators are told: once when it starts, once when it clears.';
CREATE UNIQUE INDEX condition_open_key ON ops.condition (kind, key) WHERE state <> 'cleared';
CREATE INDEX condition_untold_idx ON ops.condition (began_at) WHERE state = 'cleared' AND NOT cleared_told;

GRANT SELECT, INSERT, UPDATE ON ops.notice, ops.condition TO epro_worker;
GRANT DELETE ON ops.condition TO epro_worker;
GRANT SELECT ON ops.notice TO epro_intake;
GRANT SELECT ON ops.notice, ops.condition TO epro_operator;
GRANT UPDATE (closed_at, closed_by, closed_reason) ON ops.alert TO epro_operator;
