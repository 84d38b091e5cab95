//! A database of its own for each test, migrated, and dropped at the end.

use epro_store::{DatabaseUrl, Store, migrate};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls, Row};

pub(crate) struct Database {
    name: String,
    server: String,
    /// A superuser's connection to it.
    pub(crate) admin: Client,
    _connections: JoinSet<()>,
}

impl Database {
    /// An empty database.
    pub(crate) async fn empty() -> Self {
        let server = std::env::var("EPRO_TEST_DATABASE_URL").expect("EPRO_TEST_DATABASE_URL: run ./dev test");
        let name = format!("epro_store_{}", uuid::Uuid::new_v4().simple());
        let mut connections = JoinSet::new();
        let root = connect(&server, &mut connections).await;
        root.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let admin = connect(&located(&server, &name), &mut connections).await;
        Self { name, server, admin, _connections: connections }
    }

    /// A migrated database.
    pub(crate) async fn new() -> Self {
        let database = Self::empty().await;
        migrate::run(&database.url()).await.unwrap();
        database
    }

    pub(crate) fn url(&self) -> DatabaseUrl {
        located(&self.server, &self.name).parse().unwrap()
    }

    /// The URL with another host and port.
    pub(crate) fn url_through(&self, address: std::net::SocketAddr, options: &str) -> DatabaseUrl {
        let config: tokio_postgres::Config = self.server.parse().unwrap();
        let user = config.get_user().unwrap_or("postgres");
        let password = config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        let login = password.map_or_else(|| user.to_owned(), |password| format!("{user}:{password}"));
        format!("postgres://{login}@{address}/{}?options={options}", self.name).parse().unwrap()
    }

    /// The URL of a user who has taken on `role` and nothing else.
    fn url_as(&self, role: &str) -> String {
        format!("{}?options=-c%20role%3D{role}", located(&self.server, &self.name))
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.url(), 4)
    }

    pub(crate) fn store_as(&self, role: &str) -> Store {
        Store::open(&self.url_as(role).parse().unwrap(), 4)
    }

    /// A connection in a role, for statements that no method of the store has.
    pub(crate) async fn client_as(&mut self, role: &str) -> Client {
        let url = self.url_as(role);
        connect(&url, &mut self._connections).await
    }

    pub(crate) async fn one_more_client(&mut self) -> Client {
        let url = located(&self.server, &self.name);
        connect(&url, &mut self._connections).await
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        self.admin.query_one(&format!("SELECT count(*) FROM {of}"), &[]).await.unwrap().get(0)
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<Row> {
        self.admin.query(sql, &[]).await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.admin.batch_execute(sql).await.unwrap();
    }

    /// Waits until so many backends of this database wait for a lock, and returns their ids.
    pub(crate) async fn waiting(&self, backends: usize) -> Vec<i32> {
        loop {
            let waiting: Vec<i32> = self
                .rows(
                    "SELECT pid FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'",
                )
                .await
                .iter()
                .map(|row| row.get(0))
                .collect();
            if waiting.len() >= backends {
                return waiting;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Database {
    /// In a thread of its own: a runtime can't be entered from within another.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connections = JoinSet::new();
                let root = connect(&server, &mut connections).await;
                root.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
            });
        };
        std::thread::scope(|scope| scope.spawn(dropping).join()).unwrap();
    }
}

fn located(server: &str, database: &str) -> String {
    let (base, _) = server.rsplit_once('/').expect("EPRO_TEST_DATABASE_URL names a database");
    format!("{base}/{database}")
}

async fn connect(url: &str, connections: &mut JoinSet<()>) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    connections.spawn(async move {
        let _ = connection.await;
    });
    client
}
