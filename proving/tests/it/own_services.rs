use std::path::{Path, PathBuf};
use std::time::Duration;

use epro_proving::database::Link;
use epro_proving::own::{Kind, Own};
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

#[tokio::test]
async fn a_postgres_that_stands_still_answers_no_session_and_then_goes_on_with_each() {
    let postgres = Own::start(Kind::Postgres).await.unwrap();
    let link = Link::open(&postgres.services().unwrap().database).await.unwrap();
    postgres.pause().await.unwrap();
    let asked = link.count("SELECT 1::bigint");
    tokio::pin!(asked);
    let silence = tokio::time::timeout(Duration::from_millis(500), &mut asked).await;
    assert!(silence.is_err(), "its backend goes on: {silence:?}");
    postgres.resume().await.unwrap();
    assert_eq!(asked.await.unwrap(), 1);
    postgres.pause().await.unwrap();
    // It is ended in order by whoever forgets it, although it stands still.
    drop(postgres);
    assert!(link.count("SELECT 1::bigint").await.is_err());
}

/// Runs `./dev` as a test of the run `of` does.
async fn dev(of: &str, args: &[&str]) {
    let dev = std::env::var("EPRO_TEST_DEV").unwrap();
    let mut command = tokio::process::Command::new(dev);
    let ran = command.args(args).env("EPRO_DEV_FOR", of).output().await.unwrap();
    assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Where the PostgreSQL of that folder is.
fn url(folder: &Path) -> String {
    let env = std::fs::read_to_string(folder.join("env")).unwrap();
    env.lines().find_map(|line| line.strip_prefix("EPRO_TEST_DATABASE_URL=")).unwrap().to_owned()
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
    let (left_url, used_url) = (url(Path::new(&left)), url(Path::new(&used)));
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

/// Another checkout, as far as `./dev` looks at one, in a path with spaces; it ends with this value.
struct Checkout(PathBuf);

impl Checkout {
    fn new() -> Self {
        let dev = PathBuf::from(std::env::var("EPRO_TEST_DEV").unwrap());
        let folder =
            std::env::temp_dir().join(format!("epro another checkout {}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&folder).unwrap();
        let checkout = Self(folder);
        // A link would lead it to where it comes from.
        std::fs::copy(&dev, checkout.0.join("dev")).unwrap();
        std::os::unix::fs::symlink(dev.with_file_name("proving"), checkout.0.join("proving")).unwrap();
        checkout
    }

    /// Its own services, as `./dev run` has them.
    fn services(&self) -> String {
        self.0.join(".dev/services").display().to_string()
    }

    /// Through its interpreter: a file that was just written may still count as open for writing.
    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new("bash");
        command.arg(self.0.join("dev")).args(args).env_remove("EPRO_DEV_FOR");
        command
    }

    async fn dev(&self, args: &[&str]) {
        let ran = tokio::process::Command::from(self.command(args)).output().await.unwrap();
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // Best effort: a test that failed must still say why it failed.
        let _ = self.command(&["down", "--data"]).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn two_checkouts_side_by_side_one_in_a_path_with_spaces_do_not_disturb_each_other() {
    let (here, there) = (Services::from_env().unwrap().database, Checkout::new());
    let services = there.services();
    there.dev(&["_postgres", "start", &services]).await;
    let kept = url(Path::new(&services));
    assert_ne!(kept, here);
    let link = Link::open(&kept).await.unwrap();
    link.client.batch_execute("CREATE TABLE kept (x int)").await.unwrap();
    Link::open(&here).await.unwrap();

    // After a crash `down` finds what is left, and the next start finds the data.
    there.dev(&["_postgres", "kill", &services]).await;
    there.dev(&["down"]).await;
    assert!(Link::open(&kept).await.is_err());
    there.dev(&["_postgres", "start", &services]).await;
    let link = Link::open(&url(Path::new(&services))).await.unwrap();
    assert_eq!(link.count("SELECT count(*) FROM kept").await.unwrap(), 0);

    let place = std::fs::canonicalize(&services).unwrap();
    assert!(!place.display().to_string().contains(' '), "the services can't be in such a path: {place:?}");
    there.dev(&["down", "--data"]).await;
    assert!(Link::open(&kept).await.is_err());
    assert!(!place.exists() && !Path::new(&services).exists());
    Link::open(&here).await.unwrap();
}
