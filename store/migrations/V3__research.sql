-- What researchers may see: coded and numeric answers of known items, by an allow-list.

CREATE TABLE research.submission (
    submission_id uuid     NOT NULL,
    pseudonym     uuid     NOT NULL,
    study_id      text     NOT NULL,
    site_id       text     NOT NULL,
    instrument    text     NOT NULL,
    answered_at   timestamptz,
    answered_year smallint NOT NULL,
    late          boolean  NOT NULL,
    amends        uuid,
    profile       text     NOT NULL,
    answers       jsonb    NOT NULL,
    scores        jsonb    NOT NULL,
    checks        jsonb    NOT NULL,
    CONSTRAINT submission_pkey PRIMARY KEY (submission_id, pseudonym)
);
COMMENT ON TABLE research.submission IS 'De-identified answers, scores and checks; readers use the views.';
CREATE INDEX submission_amends_idx ON research.submission (amends, pseudonym) WHERE amends IS NOT NULL;

-- Readers get the views only: a version 7 submission_id holds the time it was made, which a profile
-- that keeps years only must not show. The views name a response by a hash of it.
CREATE VIEW research.response AS
SELECT md5(s.pseudonym::text || s.submission_id::text)::uuid AS response_id,
       CASE WHEN s.profile = 'limited_data_set' THEN s.submission_id END AS submission_id,
       s.pseudonym,
       s.study_id,
       s.site_id,
       s.instrument,
       s.answered_at,
       s.answered_year,
       s.late,
       s.profile,
       s.checks,
       CASE WHEN s.amends IS NOT NULL THEN md5(s.pseudonym::text || s.amends::text)::uuid END
           AS amends_response_id,
       EXISTS (SELECT FROM research.submission later
               WHERE later.amends = s.submission_id AND later.pseudonym = s.pseudonym) AS superseded
FROM research.submission s;
COMMENT ON VIEW research.response IS 'Every stored response, superseded ones included.';

CREATE VIEW research.newest_response AS
SELECT * FROM research.response WHERE NOT superseded;
COMMENT ON VIEW research.newest_response IS 'Only the newest version of each response: what an amendment replaced is left out.';

CREATE VIEW research.answer AS
SELECT md5(s.pseudonym::text || s.submission_id::text)::uuid AS response_id,
       s.pseudonym,
       s.study_id,
       s.site_id,
       s.instrument,
       s.answered_at,
       s.answered_year,
       item.position,
       item.answer ->> 'link_id' AS link_id,
       item.answer ->> 'code' AS code,
       item.answer -> 'value' AS value,
       (item.answer ->> 'score')::double precision AS score,
       EXISTS (SELECT FROM research.submission later
               WHERE later.amends = s.submission_id AND later.pseudonym = s.pseudonym) AS superseded
FROM research.submission s
CROSS JOIN LATERAL jsonb_array_elements(s.answers) WITH ORDINALITY AS item (answer, position);
COMMENT ON VIEW research.answer IS 'One row an answer, in the order of the instrument.';

CREATE VIEW research.score AS
SELECT md5(s.pseudonym::text || s.submission_id::text)::uuid AS response_id,
       s.pseudonym,
       s.study_id,
       s.site_id,
       s.instrument,
       s.answered_at,
       s.answered_year,
       item.score ->> 'id' AS score_id,
       item.score ->> 'code' AS code,
       (item.score ->> 'value')::double precision AS value,
       item.score ->> 'band' AS band,
       (item.score ->> 'missing')::integer AS missing,
       EXISTS (SELECT FROM research.submission later
               WHERE later.amends = s.submission_id AND later.pseudonym = s.pseudonym) AS superseded
FROM research.submission s
CROSS JOIN LATERAL jsonb_array_elements(s.scores) AS item (score);
COMMENT ON VIEW research.score IS 'One row a score; value and band are null where an item is missing.';

GRANT INSERT, SELECT ON research.submission TO epro_worker;
GRANT SELECT ON research.response, research.newest_response, research.answer, research.score TO epro_research;
