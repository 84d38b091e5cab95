-- The FHIR door waits for the store and reads back what is de-identified. What is sealed stays closed to it.

GRANT SELECT (message_id, content_hash) ON identified.submission TO epro_intake;
GRANT SELECT (message_id) ON ops.dead_letter TO epro_intake;
GRANT USAGE ON SCHEMA research TO epro_intake;
GRANT SELECT (submission_id, pseudonym, study_id, site_id, instrument, answered_at, answered_year, amends, profile, answers)
    ON research.submission TO epro_intake;
