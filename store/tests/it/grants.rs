//! What each role may read and add, by the grants themselves: what docs/SECURITY.md says, and no more.

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
