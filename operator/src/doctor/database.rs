//! How the database server is: clock, connections, who may change what.

use epro_store::server::Server;
use epro_store::{Store, StoreError};
use time::Duration;

use super::{Finding, disk};
use crate::outside::Outside;

/// Clocks that differ by more say that nobody keeps them.
const SKEW: Duration = Duration::seconds(2);
/// The oldest version that is tested.
const OLDEST: i32 = 15;

pub(super) async fn found(outside: &Outside<'_>, store: &Store) -> Result<Vec<Finding>, StoreError> {
    let server = store.server().await?;
    let mut findings = Vec::new();
    findings.extend(clock(&server));
    let config = outside.config;
    let (door, worker) = (config.postgres.pool_size.into(), config.worker_connections().into());
    findings.extend(connections(&server, door, worker));
    findings.extend(roles(&server));
    findings.extend(disk::database(&server));
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

/// Of this configuration a door takes `door` connections at most, a worker `worker`.
fn connections(server: &Server, door: i64, worker: i64) -> Option<Finding> {
    let &Server { connected, connections, workers, doors, .. } = server;
    let finding = format!(
        "{connected} of {connections} connections to PostgreSQL are taken; {workers} workers and {doors} doors \
         are connected"
    );
    let fix = "raise max_connections, or lower postgres.pool_size or the number of replicas";
    if connected * 100 >= connections * 95 {
        let consequence = "who comes next gets none: a process that starts doesn't become ready";
        return Some(Finding::new(finding, consequence, fix));
    }
    let all = workers * worker + doors * door;
    (connected.max(all) + worker > connections).then(|| {
        let consequence =
            format!("these take up to {all}, one more worker up to {worker}: somebody may get none");
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use time::OffsetDateTime;

    /// A server that nothing is wrong with.
    pub(crate) fn well() -> Server {
        let now = OffsetDateTime::now_utc();
        Server {
            clock: now,
            asked: now,
            answered: now,
            version: 16,
            connections: 100,
            connected: 20,
            workers: 2,
            doors: 2,
            superusers: Vec::new(),
            changers: Vec::new(),
            size: 5_000_000,
            unarchived: None,
            slots: Vec::new(),
        }
    }

    #[test]
    fn clocks_that_differ_by_more_than_an_answer_takes_are_named() {
        let seconds = Duration::seconds;
        for (ahead, found) in [(0, None), (1, None), (-1, None), (30, Some("30 s")), (-30, Some("30 s"))] {
            let well = well();
            let server = Server { clock: well.clock + seconds(ahead), ..well };
            let finding = clock(&server).map(|finding| finding.finding);
            let says = |words: &str| finding.as_ref().is_some_and(|finding| finding.contains(words));
            assert!(found.map_or(finding.is_none(), says), "{ahead}: {finding:?}");
        }
        // An answer that took long says nothing about clocks.
        let well = well();
        let (clock_there, answered) = (well.asked + seconds(15), well.asked + seconds(30));
        assert!(clock(&Server { clock: clock_there, answered, ..well }).is_none());
    }

    #[test]
    fn connections_are_judged_by_what_is_taken_and_by_what_the_replicas_may_take() {
        let found = |connected, workers, doors| {
            let server = Server { connected, workers, doors, ..well() };
            connections(&server, 8, 18).map(|found| (found.act, found.finding, found.consequence))
        };
        assert!(found(20, 2, 2).is_none());
        let (act, finding, _) = found(95, 2, 2).unwrap();
        assert!(act && finding.contains("95 of 100"), "{finding}");
        assert!(finding.contains("2 workers and 2 doors"), "{finding}");
        let (act, _, consequence) = found(83, 0, 0).unwrap();
        assert!(!act && consequence.contains("one more worker up to 18"), "{consequence}");
        let (act, _, consequence) = found(20, 4, 2).unwrap();
        assert!(!act && consequence.contains("these take up to 88"), "{consequence}");
    }

    #[test]
    fn roles_that_could_rewrite_the_trail_want_an_operator_and_a_superuser_is_told() {
        assert!(roles(&well()).is_empty());
        let server =
            Server { changers: vec!["mallory".into()], superusers: vec!["epro-worker".into()], ..well() };
        let found: Vec<_> = roles(&server).into_iter().map(|found| (found.act, found.finding)).collect();
        assert!(found[0].0 && found[0].1.ends_with("received or audited: mallory"), "{found:?}");
        assert!(!found[1].0 && found[1].1.ends_with("superuser: epro-worker"), "{found:?}");
    }
}
