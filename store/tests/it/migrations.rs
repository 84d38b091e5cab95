//! Bringing a database to this version's shape.

use crate::support::database::Database;
use epro_store::migrate::{self, MigrateError};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_migrators_at_once_apply_each_migration_once() {
    let database = Database::empty().await;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let url = database.url();
        tasks.spawn(async move { migrate::run(&url).await.unwrap().migrations.len() });
    }
    let mut applied = tasks.join_all().await;
    applied.sort_unstable();
    let all = database.count("ops.schema_history").await as usize;
    assert!(all >= 6);
    assert_eq!(applied, [0, 0, 0, all]);
}

#[tokio::test]
async fn a_second_run_has_nothing_to_do() {
    let database = Database::new().await;
    assert!(migrate::run(&database.url()).await.unwrap().migrations.is_empty());
}

#[tokio::test]
async fn a_history_that_differs_is_refused() {
    let database = Database::new().await;
    database.run("UPDATE ops.schema_history SET checksum = '1' WHERE version = 2").await;
    let refused = migrate::run(&database.url()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Diverged(_)), "{refused}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_said_so() {
    let database = Database::empty().await;
    let url = database.url();
    drop(database);
    let refused = migrate::run(&url).await.unwrap_err();
    assert!(matches!(&refused, MigrateError::Connect(why) if why.contains("3D000")), "{refused}");
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_of_itself_and_can_be_run_again() {
    let database = Database::empty().await;
    database.run("CREATE SCHEMA audit").await;
    let failed = migrate::run(&database.url()).await.unwrap_err();
    assert!(matches!(&failed, MigrateError::Failed(why) if why.contains("42P06")), "{failed}");
    database.run("DROP SCHEMA audit").await;
    migrate::run(&database.url()).await.unwrap();
}

#[tokio::test]
async fn the_group_roles_can_not_log_in() {
    let database = Database::new().await;
    let roles =
        database.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'epro\\_%' AND rolcanlogin").await;
    assert!(roles.is_empty());
    let roles = database
        .rows("SELECT 1 FROM pg_roles WHERE rolname IN ('epro_intake', 'epro_worker', 'epro_operator', 'epro_research')")
        .await;
    assert_eq!(roles.len(), 4);
}

#[tokio::test]
async fn the_servers_own_log_is_told_to_leave_rows_out() {
    let database = Database::new().await;
    let set = database
        .rows(
            "SELECT setconfig::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase \
               WHERE d.datname = current_database()",
        )
        .await;
    assert!(set[0].get::<_, String>(0).contains("log_error_verbosity=terse"));
}

#[tokio::test]
async fn every_process_can_ask_what_is_missing() {
    let database = Database::empty().await;
    let all = database.store().missing_migrations().await.unwrap();
    assert_eq!(all.first().map(String::as_str), Some("1 roles"));
    assert_eq!(migrate::run(&database.url()).await.unwrap().migrations, all);
    for role in ["epro_intake", "epro_worker", "epro_operator"] {
        assert!(database.store_as(role).missing_migrations().await.unwrap().is_empty(), "{role}");
    }
    database.run("DELETE FROM ops.schema_history WHERE version = 6").await;
    assert_eq!(database.store().missing_migrations().await.unwrap(), ["6 history"]);
}
