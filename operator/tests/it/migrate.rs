//! `epro migrate` beside others.

use std::time::Duration;

use epro_proving::database::Link;
use epro_proving::own::{Kind, Own};
use epro_proving::stack::Plan;
use epro_proving::{Stack, until};

#[tokio::test]
async fn what_was_migrated_is_in_the_trail_once() {
    let stack = Stack::new().await.unwrap();
    stack.epro(&["migrate"]).await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let rows = "SELECT details ->> 'applied' FROM audit.event
                WHERE action = 'database.migrated' AND outcome = 'ok' AND actor LIKE 'operator:_%'";
    let rows = link.client.query(rows, &[]).await.unwrap();
    let [row] = &rows[..] else {
        panic!("{} rows: the second time there was nothing to be done", rows.len())
    };
    let applied: Vec<String> = serde_json::from_str(row.get(0)).unwrap();
    assert!(applied.iter().any(|migration| migration == "5 audit"), "{applied:?}");
}

/// Roles belong to the whole cluster, and a new one has none yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_goes_on_where_another_database_is_just_making_the_roles() {
    let postgres = Own::start(Kind::Postgres).await.unwrap();
    let services = postgres.services().unwrap();
    let other = Link::open(&services.database).await.unwrap();
    let watching = Link::open(&services.database).await.unwrap();
    let (without_migration, without_topology) = (true, true);
    let plan = Plan { without_migration, without_topology, ..Plan::default() };
    let stack = Stack::on(services, plan).await.unwrap();

    other.client.batch_execute("BEGIN; CREATE ROLE epro_auditor").await.unwrap();
    let made = async {
        until("the migration to wait for the role", Duration::from_secs(60), || async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            Ok((watching.count(waiting).await? > 0).then_some(()))
        })
        .await?;
        anyhow::Ok(other.client.batch_execute("COMMIT").await?)
    };
    let (migrated, made) = tokio::join!(stack.epro(&["migrate"]), made);
    made.unwrap();
    migrated.unwrap();
}
