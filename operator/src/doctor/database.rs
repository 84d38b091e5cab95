//! How the database server is: clock, connections, who may change what.

use epro_store::server::Server;
use epro_store::{Store, StoreError};
use time::Duration;

use super::Finding;
use crate::outside::Outside;

/// Clocks that differ by more say that nobody keeps them.
const SKEW: Duration = Duration::seconds(2);
/// The oldest version that is tested.
const OLDEST: i32 = 15;

pub(super) async fn found(outside: &Outside<'_>, store: &Store) -> Result<Vec<Finding>, StoreError> {
    let server = store.server().await?;
    let mut findings = Vec::new();
    findings.extend(clock(&server));
    findings.extend(connections(&server, i64::from(outside.config.postgres.pool_size)));
    findings.extend(roles(&server));
    if server.version < OLDEST {
        findings.push(Finding::new(
            format!("PostgreSQL is {}", server.version),
            "it isn't tested with this version",
            "upgrade it to 15 or newer",
        ));
    }
    Ok(findings)
}

fn clock(server: &Server) -> Option<Finding> {
    let early = server.asked - server.clock;
    let late = server.clock - server.answered;
    let apart = early.max(late);
    (apart > SKEW).then(|| {
        Finding::new(
            format!("the clocks here and of PostgreSQL are {} s apart", apart.whole_seconds()),
            "deadlines of reports, tokens and ages are judged by clocks that disagree; leases are not concerned",
            "keep all machines by NTP",
        )
    })
}

fn connections(server: &Server, pool: i64) -> Option<Finding> {
    let (there, most) = (server.connected, server.connections);
    let finding = format!("{there} of {most} connections to PostgreSQL are taken");
    let fix = "raise max_connections, or lower postgres.pool_size or the number of replicas";
    if there * 100 >= most * 95 {
        let consequence = "who comes next gets none: a process that starts doesn't become ready";
        return Some(Finding::new(finding, consequence, fix));
    }
    (there + pool > most).then(|| {
        let consequence = format!("one more replica takes up to {pool}, which aren't left");
        Finding::note(finding, &consequence, fix)
    })
}

fn roles(server: &Server) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !server.changers.is_empty() {
        findings.push(Finding::new(
            format!(
                "roles that may change or delete what was received or audited: {}",
                server.changers.join(", ")
            ),
            "the audit trail proves less: who has such a role could rewrite it",
            "REVOKE UPDATE, DELETE, TRUNCATE on the tables of identified and audit from them",
        ));
    }
    if !server.superusers.is_empty() {
        findings.push(Finding::note(
            format!("connected as a superuser: {}", server.superusers.join(", ")),
            "such a process may do everything in the database; the grants protect nothing from it",
            "give each a login with its group role: epro_intake, epro_worker, epro_operator",
        ));
    }
    findings
}
