//! What each role may, by the grants themselves: what docs/SECURITY.md says and what stands here, and no more.

use crate::support::database::Database;
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = include_str!("../../../docs/SECURITY.md");

const GRANTS: &str = "\
SELECT n.nspname || '.' || c.relname AS object, r.rolname::text AS role, a.attname::text AS column, \
    has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT') AS reads, \
    has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT') AS inserts, \
    has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE') \
        OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER') AS changes \
FROM pg_class c \
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('identified', 'research', 'audit', 'ops') \
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
CROSS JOIN pg_roles r \
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND r.rolname IN ('epro_intake', 'epro_worker', 'epro_operator', 'epro_auditor', 'epro_research')";

/// What a role may with a table or a view.
#[derive(Default)]
struct Granted {
    columns: BTreeSet<String>,
    reads: BTreeSet<String>,
    inserts: bool,
    changes: bool,
}

/// By object and role.
async fn granted(database: &Database) -> BTreeMap<(String, String), Granted> {
    let mut all: BTreeMap<(String, String), Granted> = BTreeMap::new();
    for row in database.rows(GRANTS).await {
        let of = all.entry((row.get("object"), row.get("role"))).or_default();
        let column: String = row.get("column");
        if row.get("reads") {
            of.reads.insert(column.clone());
        }
        of.columns.insert(column);
        of.inserts |= row.get::<_, bool>("inserts");
        of.changes |= row.get::<_, bool>("changes");
    }
    all
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// The columns that a cell lets a role read.
fn told(cell: &str, columns: &BTreeSet<String>) -> BTreeSet<String> {
    let but: BTreeSet<String> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(but.is_subset(columns), "{cell}: there is no such column");
    match cell.split([' ', ',']).next() {
        Some("read") => columns - &but,
        Some("–") => BTreeSet::new(),
        _ => panic!("{cell}"),
    }
}

#[tokio::test]
async fn what_each_role_may_read_and_add_is_what_the_document_says_and_none_changes_or_deletes_any() {
    let database = Database::new().await;
    let granted = granted(&database).await;
    let table = DOCUMENT.lines().skip_while(|line| !line.starts_with("| object |"));
    let mut table = table.take_while(|line| line.starts_with('|')).map(cells);
    let roles = table.next().expect("a table of objects");
    let roles: Vec<&str> = roles[1..].iter().map(|role| role.trim_matches('`')).collect();
    assert_eq!(roles.len(), 5);
    let mut objects = BTreeSet::new();
    for row in table.skip(1) {
        let object = row[0].trim_matches('`');
        for (role, cell) in roles.iter().zip(&row[1..]) {
            let of = |object: &str| &granted[&(object.to_owned(), (*role).to_owned())];
            // Of `ops` only what is under a seal is told.
            if let Some((table, column)) = object.rsplit_once('.').filter(|(table, _)| table.contains('.')) {
                let may = of(table).reads.contains(column);
                assert_eq!(if may { "read" } else { "–" }, *cell, "{role}: {object}");
                continue;
            }
            let of = of(object);
            assert_eq!(of.reads, told(cell, &of.columns), "{role}: what is read of {object}");
            assert_eq!(of.inserts, cell.ends_with(", insert"), "{role}: whether it adds to {object}");
            assert!(!of.changes, "{role} changes or deletes {object}");
        }
        objects.insert(object.to_owned());
    }
    let there: BTreeSet<&String> = granted.keys().map(|(object, _)| object).collect();
    let untold = there.into_iter().filter(|object| !object.starts_with("ops.") && !objects.contains(*object));
    assert_eq!(untold.count(), 0, "the table has every object but those of ops");
}

/// Every right on what there is in our schemas: on the schemas, on whole tables and views, or on some of their columns.
const RIGHTS: &str = "\
SELECT role, object, may FROM ( \
    SELECT r.rolname::text AS role, 'schema ' || n.nspname AS object, p.place, p.privilege AS may \
    FROM pg_namespace n CROSS JOIN pg_roles r \
    CROSS JOIN unnest(ARRAY['USAGE', 'CREATE']) WITH ORDINALITY AS p (privilege, place) \
    WHERE n.nspname IN ('identified', 'research', 'audit', 'ops') AND has_schema_privilege(r.oid, n.oid, p.privilege) \
    UNION ALL \
    SELECT r.rolname::text, 'function ' || n.nspname || '.' || f.proname, 1, 'EXECUTE' \
    FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace CROSS JOIN pg_roles r \
    WHERE n.nspname IN ('identified', 'research', 'audit', 'ops') AND has_function_privilege(r.oid, f.oid, 'EXECUTE') \
    UNION ALL \
    SELECT r.rolname::text, n.nspname || '.' || c.relname, p.place, \
        p.privilege || CASE WHEN h.whole THEN '' ELSE ' (' || h.columns || ')' END \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_roles r \
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) \
        WITH ORDINALITY AS p (privilege, place) \
    CROSS JOIN LATERAL (SELECT has_table_privilege(r.oid, c.oid, p.privilege) AS whole, \
        (SELECT string_agg(a.attname::text, ', ' ORDER BY a.attnum) FROM pg_attribute a \
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
            AND CASE WHEN p.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') \
                THEN has_column_privilege(r.oid, c.oid, a.attnum, p.privilege) ELSE false END) AS columns) AS h \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname IN ('identified', 'research', 'audit', 'ops') \
        AND (h.whole OR h.columns IS NOT NULL) \
) AS held \
WHERE role IN ('epro_intake', 'epro_worker', 'epro_operator', 'epro_auditor', 'epro_research') \
ORDER BY role, object, place";

/// What each role may. What doesn't stand here it may not.
const MAY: [(&str, &[(&str, &str)]); 5] = [
    (
        "epro_intake",
        &[
            ("schema identified", "USAGE"),
            ("schema ops", "USAGE"),
            ("schema research", "USAGE"),
            (
                "identified.submission",
                "SELECT (submission_id, pseudonym, study_id, site_id, instrument, received_at, stored_at, late, amends, \
                 content_version, content_hash, body_sha256, message_id, sealed)",
            ),
            (
                "research.submission",
                "SELECT (submission_id, pseudonym, study_id, site_id, instrument, answered_at, answered_year, amends, \
                 profile, answers)",
            ),
            ("ops.alert", "SELECT"),
            (
                "ops.dead_letter",
                "SELECT (id, message_id, class, detail, submission_id, pseudonym, site_id, study_id, instrument, \
                 received_at, last_at, state)",
            ),
            ("ops.delivery", "SELECT"),
            ("ops.export", "SELECT"),
            ("ops.export_part", "SELECT"),
            ("ops.notice", "SELECT"),
            ("ops.pause", "SELECT"),
            ("ops.report", "SELECT"),
            ("ops.risk", "SELECT"),
            ("ops.schema_history", "SELECT"),
        ],
    ),
    (
        "epro_worker",
        &[
            ("schema audit", "USAGE"),
            ("schema identified", "USAGE"),
            ("schema ops", "USAGE"),
            ("schema research", "USAGE"),
            ("function identified.all_new", "EXECUTE"),
            ("identified.subject", "SELECT, INSERT"),
            ("identified.submission", "SELECT, INSERT"),
            ("research.submission", "SELECT, INSERT"),
            ("research.risk", "SELECT, INSERT"),
            ("audit.event", "SELECT, INSERT"),
            ("audit.writer", "SELECT, INSERT"),
            ("ops.alert", "SELECT, INSERT, UPDATE"),
            ("ops.command", "SELECT, INSERT, DELETE"),
            ("ops.condition", "SELECT, INSERT, UPDATE, DELETE"),
            ("ops.dead_letter", "SELECT, INSERT, UPDATE"),
            ("ops.delivery", "SELECT, INSERT, UPDATE"),
            ("ops.delivery_attempt", "SELECT, INSERT"),
            ("ops.export", "SELECT, INSERT, UPDATE"),
            ("ops.export_part", "SELECT, INSERT, UPDATE, DELETE"),
            ("ops.hospital_state", "SELECT, INSERT, UPDATE"),
            ("ops.lease", "SELECT, INSERT, UPDATE"),
            ("ops.lease_owner", "SELECT, INSERT, UPDATE, DELETE"),
            ("ops.notice", "SELECT, INSERT, UPDATE"),
            ("ops.pause", "SELECT, INSERT"),
            ("ops.report", "SELECT, INSERT, UPDATE, DELETE"),
            ("ops.risk", "SELECT, INSERT, UPDATE"),
            ("ops.schema_history", "SELECT"),
            ("ops.suspect", "SELECT, INSERT, UPDATE, DELETE"),
        ],
    ),
    (
        "epro_operator",
        &[
            ("schema audit", "USAGE"),
            ("schema identified", "USAGE"),
            ("schema ops", "USAGE"),
            (
                "identified.submission",
                "SELECT (submission_id, pseudonym, study_id, site_id, instrument, received_at, stored_at, late, amends, \
                 content_hash, body_sha256, message_id)",
            ),
            ("audit.event", "SELECT, INSERT"),
            ("audit.writer", "SELECT, INSERT"),
            ("ops.alert", "SELECT, UPDATE (state, state_at, next_at, closed_at, closed_by, closed_reason)"),
            ("ops.command", "SELECT"),
            ("ops.condition", "SELECT"),
            (
                "ops.dead_letter",
                "SELECT, UPDATE (state, settled_by, settled_at, settled_reason, failed_again)",
            ),
            ("ops.delivery", "SELECT, UPDATE (generation, state, state_at, attempts, failed_at)"),
            ("ops.delivery_attempt", "SELECT"),
            ("ops.export", "SELECT"),
            ("ops.export_part", "SELECT"),
            ("ops.hospital_state", "SELECT"),
            ("ops.lease", "SELECT"),
            ("ops.lease_owner", "SELECT"),
            ("ops.notice", "SELECT"),
            ("ops.pause", "SELECT, INSERT, DELETE"),
            ("ops.redrive", "SELECT, INSERT, UPDATE (state, runner, state_at, stepped_at)"),
            ("ops.redrive_item", "SELECT, INSERT, UPDATE (state, outcome, at)"),
            (
                "ops.report",
                "SELECT (report_id, pseudonym, study_id, site_id, state, requested_at, deadline_at, expires_at, \
                 finished_at, complete, missing)",
            ),
            ("ops.risk", "SELECT, UPDATE (state, attempts, state_at)"),
            ("ops.schema_history", "SELECT"),
            ("ops.suspect", "SELECT"),
        ],
    ),
    (
        "epro_auditor",
        &[
            ("schema audit", "USAGE"),
            ("schema ops", "USAGE"),
            ("audit.event", "SELECT, INSERT"),
            ("audit.writer", "SELECT, INSERT"),
            ("ops.lease", "SELECT, INSERT, UPDATE"),
            ("ops.lease_owner", "SELECT, INSERT, UPDATE, DELETE"),
        ],
    ),
    (
        "epro_research",
        &[
            ("schema research", "USAGE"),
            ("research.answer", "SELECT"),
            ("research.newest_response", "SELECT"),
            ("research.response", "SELECT"),
            ("research.risk_score", "SELECT"),
            ("research.score", "SELECT"),
        ],
    ),
];

#[tokio::test]
async fn on_every_table_view_and_function_each_role_may_what_stands_here_and_nothing_else() {
    let database = Database::new().await;
    let mut held: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in database.rows(RIGHTS).await {
        held.entry((row.get("role"), row.get("object"))).or_default().push(row.get("may"));
    }
    let wanted =
        MAY.into_iter().flat_map(|(role, all)| all.iter().map(move |(object, may)| ((role, *object), *may)));
    for ((role, object), may) in wanted {
        let held = held.remove(&(role.to_owned(), object.to_owned())).unwrap_or_default();
        assert_eq!(held.join(", "), may, "{role}: {object}");
    }
    assert!(held.is_empty(), "nobody has said that it may: {held:?}");
}
