//! Stored responses made by PostgreSQL itself, as many as wanted: for what reads them in bulk.

use anyhow::Result;

use crate::database::Link;

/// PHQ-9 responses of one site, as the worker stores them, with distinct ids in order. Nothing is under their seal.
pub async fn responses(link: &Link, study: &str, site: &str, count: usize) -> Result<()> {
    let sql = format!(
        "CREATE TEMPORARY TABLE made AS
         SELECT ('01970000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
                md5('subject ' || n % 1000)::uuid AS pseudonym,
                timestamptz '2026-03-01 12:00:00+00' + n * interval '1 second' AS at, n
         FROM generate_series(1, {count}) AS n;
         INSERT INTO identified.submission (submission_id, pseudonym, study_id, site_id, instrument, answered_at,
             answered_offset_s, received_at, late, content_version, content_hash, body_sha256, message_id, sealed)
         SELECT id, pseudonym, '{study}', '{site}', 'phq-9|1.0', at, 28800, at + interval '2 seconds', false, 1,
             sha256(id::text::bytea), sha256(id::text::bytea), id, decode(repeat('ab', 1800), 'hex') FROM made;
         INSERT INTO research.submission (submission_id, pseudonym, study_id, site_id, instrument, answered_at,
             answered_year, late, profile, answers, scores, checks)
         SELECT id, pseudonym, '{study}', '{site}', 'phq-9|1.0', at, 2026, false, 'limited_data_set',
             (SELECT jsonb_agg(jsonb_build_object('link_id', item, 'code', 'LA6569-3', 'score', 1))
              FROM unnest(ARRAY['44250-9', '44255-8', '44259-0', '44254-1', '44251-7', '44258-2', '44252-5',
                                '44253-3', '44260-8']) AS item),
             jsonb_build_array(jsonb_build_object('id', 'total', 'code', '44261-6', 'value', 9, 'band', 'mild',
                                                  'missing', 0)), '[]' FROM made;
         DROP TABLE made;
         ANALYZE identified.submission, research.submission"
    );
    Ok(link.client.batch_execute(&sql).await?)
}
