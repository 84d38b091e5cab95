-- The risk lane: what a study's model is asked, and what it answered.

CREATE TABLE ops.risk (
    submission_id uuid        NOT NULL,
    pseudonym     uuid        NOT NULL,
    study_id      text        NOT NULL,
    state         text        NOT NULL DEFAULT 'queued',
    attempts      integer     NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    state_at      timestamptz NOT NULL DEFAULT now(),
    last_outcome  text,
    last_at       timestamptz,
    CONSTRAINT risk_pkey PRIMARY KEY (submission_id, pseudonym),
    CONSTRAINT risk_state CHECK (state IN ('queued', 'unsent', 'waits', 'done', 'set_aside'))
);
COMMENT ON TABLE ops.risk IS 'One row a submission that its study''s risk model is asked about.';
COMMENT ON COLUMN ops.risk.attempts IS 'Answers that could not be used. A model that is away costs none.';
CREATE INDEX risk_unsent_idx ON ops.risk (state_at) WHERE state = 'unsent';

CREATE TABLE research.risk (
    submission_id uuid             NOT NULL,
    pseudonym     uuid             NOT NULL,
    version       text             NOT NULL,
    score         double precision NOT NULL,
    scored_at     timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT risk_pkey PRIMARY KEY (submission_id, pseudonym, version),
    CONSTRAINT risk_score CHECK (score >= 0 AND score <= 1)
);
COMMENT ON TABLE research.risk IS 'What a risk model answered, with its version; readers use the view.';

CREATE VIEW research.risk_score AS
SELECT md5(s.pseudonym::text || s.submission_id::text)::uuid AS response_id,
       s.pseudonym,
       s.study_id,
       s.site_id,
       s.instrument,
       s.answered_at,
       s.answered_year,
       r.version,
       r.score,
       EXISTS (SELECT FROM research.submission later
               WHERE later.amends = s.submission_id AND later.pseudonym = s.pseudonym) AS superseded
FROM research.risk r
JOIN research.submission s ON s.submission_id = r.submission_id AND s.pseudonym = r.pseudonym;
COMMENT ON VIEW research.risk_score IS 'One row a response and version of the model, from 0 to 1.';

GRANT SELECT, INSERT, UPDATE ON ops.risk TO epro_worker;
GRANT SELECT ON ops.risk TO epro_intake, epro_operator;
GRANT UPDATE (state, state_at, attempts) ON ops.risk TO epro_operator;
GRANT INSERT, SELECT ON research.risk TO epro_worker;
GRANT SELECT ON research.risk_score TO epro_research;
