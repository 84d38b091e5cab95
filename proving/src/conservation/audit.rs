//! The audit trail says what the tables say, in chains without gap or fork.

use anyhow::Result;

use crate::database::Link;

/// Rows that are not where their writer's chain has its next place, or don't hold the hash before them.
const BROKEN: &str = "
    SELECT count(*) FROM (
        SELECT seq, prev_hash, lag(hash) OVER chain AS hash_before, row_number() OVER chain AS place
        FROM audit.event WINDOW chain AS (PARTITION BY writer ORDER BY seq)
    ) e WHERE seq <> place OR prev_hash <> hash_before";

/// Stored submissions that the trail doesn't call stored exactly once.
const STORED: &str = "
    SELECT count(*) FROM identified.submission s WHERE 1 <> (
        SELECT count(*) FROM audit.event e WHERE e.submission_id = s.submission_id
            AND e.pseudonym = s.pseudonym AND e.action = 'submission.stored')";

/// What it calls stored and is not.
const INVENTED: &str = "
    SELECT count(*) FROM audit.event e WHERE e.action = 'submission.stored' AND NOT EXISTS (
        SELECT FROM identified.submission s WHERE s.submission_id = e.submission_id
            AND s.pseudonym = e.pseudonym)";

/// Dead letters that it doesn't know. That of a delivery is no submission's.
pub(super) const SET_ASIDE: &str = "
    SELECT count(*) FROM ops.dead_letter d WHERE d.submission_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM audit.event e WHERE e.submission_id = d.submission_id AND (
            (e.action = 'submission.set_aside' AND e.body_sha256 = d.content_sha256)
            OR (e.action = 'delivery.set_aside' AND d.lane = 'hospitals' AND e.pseudonym = d.pseudonym)))";

pub(super) async fn check(link: &Link, wrong: &mut Vec<String>) -> Result<()> {
    let questions = [
        (BROKEN, "audit rows break their chain"),
        (STORED, "stored submissions are not audited as stored exactly once"),
        (INVENTED, "audit rows tell of submissions that are not stored"),
        (SET_ASIDE, "dead letters are not audited"),
    ];
    for (sql, what) in questions {
        let found = link.count(sql).await?;
        if found > 0 {
            wrong.push(format!("{found} {what}"));
        }
    }
    Ok(())
}
