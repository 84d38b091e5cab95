-- Operators ask since when the oldest question and the oldest untold alert wait.

CREATE INDEX risk_open_idx ON ops.risk (created_at) WHERE state IN ('queued', 'unsent', 'waits');
CREATE INDEX alert_open_idx ON ops.alert (created_at) WHERE state <> 'done';
