use std::path::Path;
use std::time::Duration;

use epro_proving::database::Link;
use epro_proving::services::Services;
use epro_proving::vhost::Management;
use epro_proving::{Proxy, Stack, until};

#[tokio::test]
async fn a_vhost_and_a_database_are_gone_after_a_panic() {
    let bare = Stack::bare().await.unwrap();
    let (vhost, database) = (bare.vhost.name().to_owned(), bare.database.name().to_owned());
    let panicked = tokio::task::JoinSet::from_iter([async move {
        let _bare = bare;
        panic!("on purpose");
    }])
    .join_next()
    .await
    .unwrap();
    assert!(panicked.is_err());
    let services = Services::from_env().unwrap();
    let admin = Management::new(&services.management).unwrap();
    assert!(admin.get(&format!("/api/vhosts/{vhost}")).await.is_err());
    let link = Link::open(&services.database).await.unwrap();
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{database}'");
    assert_eq!(link.count(&left).await.unwrap(), 0);
}

#[tokio::test]
async fn two_databases_of_two_tests_do_not_see_each_other() {
    let (one, two) = (Stack::bare().await.unwrap(), Stack::bare().await.unwrap());
    let link = one.database.connect().await.unwrap();
    link.client.batch_execute("CREATE TABLE mine (x int)").await.unwrap();
    let link = two.database.connect().await.unwrap();
    assert!(link.client.batch_execute("SELECT * FROM mine").await.is_err());
}

#[tokio::test]
async fn a_broker_behind_a_proxy_is_lost_when_the_proxy_cuts() {
    let bare = Stack::bare().await.unwrap();
    let target = epro_proving::services::host_port(bare.vhost.url()).unwrap();
    let proxy = Proxy::to(&target).await.unwrap();
    let url = proxy.lead(bare.vhost.url()).unwrap();
    let connection = lapin::Connection::connect(&url, Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    proxy.cut();
    let declared = channel.queue_declare("x".into(), Default::default(), Default::default()).await;
    assert!(declared.is_err());
}

/// Runs `./dev` as a test of the run `of` does.
async fn dev(of: &str, args: &[&str]) {
    let dev = std::env::var("EPRO_TEST_DEV").unwrap();
    let mut command = tokio::process::Command::new(dev);
    let ran = command.args(args).env("EPRO_DEV_FOR", of).output().await.unwrap();
    assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn what_a_run_that_is_no_more_has_left_is_swept_and_what_a_run_still_uses_is_not() {
    let mut ended = tokio::process::Command::new("true").spawn().unwrap();
    let gone = format!("test:elsewhere:{}", ended.id().unwrap());
    ended.wait().await.unwrap();
    let here = format!("test:here:{}", std::process::id());
    let folder = |name: &str| {
        let unique = uuid::Uuid::now_v7().simple();
        std::env::temp_dir().join(format!("epro-own-{name}-{unique}")).display().to_string()
    };
    let (left, used) = (folder("left"), folder("used"));
    dev(&gone, &["_postgres", "start", &left]).await;
    dev(&here, &["_postgres", "start", &used]).await;
    let url = |folder: &str| {
        let env = std::fs::read_to_string(Path::new(folder).join("env")).unwrap();
        env.lines().find_map(|line| line.strip_prefix("EPRO_TEST_DATABASE_URL=")).unwrap().to_owned()
    };
    let (left_url, used_url) = (url(&left), url(&used));
    Link::open(&left_url).await.unwrap();
    dev(&here, &["_sweep"]).await;
    until("the one that was left to be ended", Duration::from_secs(60), || async {
        Ok(Link::open(&left_url).await.is_err().then_some(()))
    })
    .await
    .unwrap();
    assert!(!Path::new(&left).exists());
    Link::open(&used_url).await.unwrap();
    dev(&here, &["_postgres", "remove", &used]).await;
}
