-- Operators ask how many calls a hospital gets now. Calls are appended in the order of their time, so that a BRIN index
-- costs an insert next to nothing.
CREATE INDEX delivery_attempt_at_idx ON ops.delivery_attempt USING brin (at) WITH (autosummarize = on);
