-- What identifies a patient: under seal, inserted by workers, changed by nobody.

CREATE TABLE identified.subject (
    pseudonym        uuid        NOT NULL,
    study_id         text        NOT NULL,
    pseudonym_key_id text        NOT NULL,
    subject_sealed   bytea       NOT NULL,
    first_seen_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subject_pkey PRIMARY KEY (pseudonym)
);
COMMENT ON TABLE identified.subject IS 'Subject <-> pseudonym, one row a subject and study; the subject''s id is sealed.';

CREATE TABLE identified.submission (
    submission_id     uuid        NOT NULL,
    pseudonym         uuid        NOT NULL,
    study_id          text        NOT NULL,
    site_id           text        NOT NULL,
    instrument        text        NOT NULL,
    answered_at       timestamptz NOT NULL,
    answered_offset_s integer     NOT NULL,
    sent_at           timestamptz,
    received_at       timestamptz NOT NULL,
    stored_at         timestamptz NOT NULL DEFAULT now(),
    late              boolean     NOT NULL,
    amends            uuid,
    content_version   smallint    NOT NULL,
    content_hash      bytea       NOT NULL,
    body_sha256       bytea       NOT NULL,
    message_id        uuid        NOT NULL,
    sealed            bytea       NOT NULL,
    CONSTRAINT submission_pkey PRIMARY KEY (submission_id, pseudonym)
)
-- A row is one sealed envelope of about 2 KB. Sealed bytes don't compress, and kept in the row they
-- cost one insert rather than three.
WITH (toast_tuple_target = 8160);
ALTER TABLE identified.submission ALTER COLUMN sealed SET STORAGE EXTERNAL;
COMMENT ON TABLE identified.submission IS 'Each submission once: the envelope as received, under seal, and what decides its identity.';
COMMENT ON COLUMN identified.submission.sealed IS 'Sealed envelope as it came; the associated data binds message_id.';
COMMENT ON COLUMN identified.submission.body_sha256 IS 'SHA-256 of the bytes that intake received, before any seal.';
COMMENT ON COLUMN identified.submission.content_hash IS 'SHA-256 of the canonical content, by the algorithm content_version.';
COMMENT ON COLUMN identified.submission.answered_offset_s IS 'Offset of the patient''s clock from UTC in seconds.';

-- Decides between two amendments of the same base.
CREATE UNIQUE INDEX submission_amends_key ON identified.submission (amends, pseudonym) WHERE amends IS NOT NULL;

GRANT INSERT, SELECT ON identified.subject, identified.submission TO epro_worker;
GRANT SELECT (submission_id, pseudonym, study_id, site_id, instrument, received_at, stored_at, late, amends)
    ON identified.submission TO epro_intake;
GRANT SELECT (submission_id, pseudonym, study_id, site_id, instrument, received_at, stored_at, late, amends,
              content_hash, body_sha256, message_id)
    ON identified.submission TO epro_operator;
