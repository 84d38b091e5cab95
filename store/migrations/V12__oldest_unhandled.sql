-- Operators are told when what is stored now was received long ago. Which rows were stored lately is asked every ten
-- seconds; rows are appended in that order, so that a BRIN index costs an insert next to nothing.
CREATE INDEX submission_stored_idx ON identified.submission USING brin (stored_at) WITH (autosummarize = on);
