use epro_proving::database::Link;
use epro_proving::services::Services;
use epro_proving::vhost::Management;
use epro_proving::{Proxy, Stack};

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
