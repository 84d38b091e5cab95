-- As many submissions as 'many.submissions' says, each with what a trace looks up, and as many dead letters as
-- 'many.dead_letters' says: for tests and figures of looking. Of the first 'many.open', if that is set, delivery, risk
-- and alert aren't done.

CREATE FUNCTION pg_temp.state(n bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN n <= COALESCE(current_setting('many.open', true), '0')::bigint THEN 'queued' ELSE 'done' END
$$;

INSERT INTO audit.writer (writer, name) VALUES ('00000000-0000-7000-8000-000000000001', 'many');

INSERT INTO identified.submission (submission_id, pseudonym, study_id, site_id, instrument, answered_at,
    answered_offset_s, received_at, late, content_version, content_hash, body_sha256, message_id, sealed)
SELECT md5('s' || n)::uuid, md5('p' || n)::uuid, 'ONC-301', 'H00' || 1 + n % 4, 'phq-9|1.0', now(), 0, now(), false,
    1, sha256('x'), sha256('y'), md5('m' || n)::uuid, '\x00'
FROM generate_series(1, current_setting('many.submissions')::bigint) AS n;

INSERT INTO audit.event (writer, seq, at, action, outcome, actor, submission_id, pseudonym, received_at, trace_id,
    prev_hash, hash)
SELECT '00000000-0000-7000-8000-000000000001', n, now(), 'submission.stored', 'ok', 'subject:' || md5('p' || n)::uuid,
    md5('s' || n)::uuid, md5('p' || n)::uuid, now(), md5('t' || n), sha256('x'), sha256('y')
FROM generate_series(1, current_setting('many.submissions')::bigint) AS n;

INSERT INTO ops.delivery (submission_id, pseudonym, site_id, state)
SELECT md5('s' || n)::uuid, md5('p' || n)::uuid, 'H00' || 1 + n % 4, pg_temp.state(n)
FROM generate_series(1, current_setting('many.submissions')::bigint) AS n;

INSERT INTO ops.delivery_attempt (submission_id, pseudonym, generation, site_id, outcome, detail, duration_ms, charged,
    owner)
SELECT md5('s' || n)::uuid, md5('p' || n)::uuid, 1, 'H00' || 1 + n % 4, 'taken', '201', 12, false, md5('o')::uuid
FROM generate_series(1, current_setting('many.submissions')::bigint) AS n;

INSERT INTO ops.risk (submission_id, pseudonym, study_id, state)
SELECT md5('s' || n)::uuid, md5('p' || n)::uuid, 'ONC-301', pg_temp.state(n)
FROM generate_series(1, current_setting('many.submissions')::bigint) AS n;

INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity, state)
SELECT md5('a' || n)::uuid, md5('s' || n)::uuid, md5('p' || n)::uuid, 'ONC-301', 'H001', 'self-harm', 'critical',
    pg_temp.state(n)
FROM generate_series(1, current_setting('many.submissions')::bigint, 10) AS n;

INSERT INTO ops.notice (alert_id, channel, recipient, state)
SELECT md5('a' || n)::uuid, 'email', 'dr-lee', 'sent'
FROM generate_series(1, current_setting('many.submissions')::bigint, 10) AS n;

INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, stage, detail, submission_id, site_id,
    study_id, instrument, body, wrapped, headers, times, last_at)
SELECT (ARRAY['submissions', 'hospitals'])[1 + n % 2], 'epro.submissions.routine', md5('m' || n)::uuid,
    sha256(n::text::bytea), (ARRAY['refused', 'conflict', 'stale', 'invalid'])[1 + n % 4],
    (ARRAY['commit', 'clean', 'call'])[1 + n % 3], 'a rule', md5('s' || n)::uuid, 'H' || lpad((n % 50)::text, 3, '0'),
    'ONC-' || n % 7, 'phq-9|1.0', decode(repeat(md5(n::text), 48), 'hex'), true, '{}', 1,
    now() - n * interval '1 second'
FROM generate_series(1, current_setting('many.dead_letters')::bigint) AS n;

ANALYZE;
