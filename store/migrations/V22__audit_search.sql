-- Operators search the audit trail by time: it grows in the order of time, so that this costs its writers nothing.

CREATE INDEX event_at_idx ON audit.event USING brin (at) WITH (autosummarize = on);
