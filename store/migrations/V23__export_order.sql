-- An export's rows come patient by patient: in the order of their ids, which tell when they were made, a row that
-- keeps years only would stand between neighbours that say its time.

CREATE INDEX submission_site_subject_idx ON research.submission (site_id, pseudonym, submission_id);
DROP INDEX research.submission_site_idx;

-- What is left of an export that was given up while its storage was away is looked for, too.
DROP INDEX ops.export_expires_idx;
CREATE INDEX export_expires_idx ON ops.export (expires_at) WHERE state IN ('done', 'failed');
COMMENT ON COLUMN ops.export.expires_at IS 'From when on its files are to be deleted; null, unless it is done: there are none.';
