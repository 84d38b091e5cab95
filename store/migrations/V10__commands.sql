-- Commands that were done. The broker hands out a message again when its ack is lost, or when the answer to
-- the COMMIT is: the second time it does nothing. Rows are kept for a week, far longer than a message waits.
CREATE TABLE ops.command (
    message_id uuid        NOT NULL,
    done_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT command_pkey PRIMARY KEY (message_id)
);
COMMENT ON TABLE ops.command IS 'Commands that were done within the last week, by the id of their message.';
CREATE INDEX command_done_at_idx ON ops.command (done_at);

GRANT SELECT, INSERT, DELETE ON ops.command TO epro_worker;
GRANT SELECT ON ops.command TO epro_operator;
