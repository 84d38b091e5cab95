//! `epro migrate` beside others.

use std::time::Duration;

use epro_proving::database::Link;
use epro_proving::own::{Kind, Own};
use epro_proving::stack::Plan;
use epro_proving::{Stack, until};

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
