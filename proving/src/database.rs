//! A database of a test's own.

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::services::{Services, in_a_thread};

/// An empty database, dropped with this value, also on panic.
#[derive(Debug)]
pub struct Database {
    admin: String,
    name: String,
    url: String,
    kept: bool,
}

impl Database {
    /// Creates one on the service named by `EPRO_TEST_DATABASE_URL`.
    pub async fn create() -> Result<Self> {
        Self::create_on(&Services::from_env()?.database).await
    }

    /// Creates one on the given server; `admin` is a superuser's URL.
    pub async fn create_on(admin: &str) -> Result<Self> {
        let name = format!("epro_test_{}", Uuid::now_v7().simple());
        let link = Link::open(admin).await?;
        link.client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
            .await
            .context("create a test database")?;
        Ok(Self { url: named(admin, &name)?, admin: admin.to_owned(), name, kept: false })
    }

    /// Its URL, as the superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection of the test's own, as the superuser.
    pub async fn connect(&self) -> Result<Link> {
        Link::open(&self.url).await
    }

    /// A user that may log in and has the rights of `group`: a superuser lacks nothing.
    pub async fn login(&self, group: &str) -> Result<Login> {
        let name = format!("epro_login_{}", Uuid::now_v7().simple());
        let link = Link::open(&self.admin).await?;
        let sql = format!("CREATE ROLE {name} LOGIN PASSWORD '{name}' IN ROLE {group}");
        link.client.batch_execute(&sql).await.context("create a login")?;
        let host = crate::services::host_port(&self.url)?;
        let url = format!("postgres://{name}:{name}@{host}/{}", self.name);
        Ok(Login { admin: self.admin.clone(), name, url })
    }

    /// Leaves the database there after the test, to look at.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (admin, name) = (self.admin.clone(), self.name.clone());
        in_a_thread(move || async move {
            let link = Link::open(&admin).await?;
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            Ok(link.client.batch_execute(&sql).await?)
        });
    }
}

/// A user of the whole server, dropped with this value; it owns nothing.
#[derive(Debug)]
pub struct Login {
    admin: String,
    name: String,
    url: String,
}

impl Login {
    /// What the server calls this user.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database's URL as this user.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        in_a_thread(move || async move {
            let link = Link::open(&admin).await?;
            Ok(link.client.batch_execute(&format!("DROP ROLE IF EXISTS {name}")).await?)
        });
    }
}

/// A client together with the task that drives it.
#[derive(Debug)]
pub struct Link {
    /// The tokio-postgres client.
    pub client: tokio_postgres::Client,
    _driver: JoinSet<()>,
}

impl Link {
    /// Connects without TLS.
    pub async fn open(url: &str) -> Result<Self> {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The client's calls report the error too.
            let _ = connection.await;
        });
        Ok(Self { client, _driver: driver })
    }

    /// The single number that a query gives.
    pub async fn count(&self, sql: &str) -> Result<i64> {
        Ok(self.client.query_one(sql, &[]).await?.get(0))
    }
}

fn named(admin: &str, name: &str) -> Result<String> {
    let (scheme, rest) = admin.split_once("://").context("a database URL without a scheme")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Ok(format!("{scheme}://{authority}/{name}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_gets_another_name_and_keeps_its_parameters() {
        let url = named("postgres://root@127.0.0.1:5432/postgres?connect_timeout=3", "x").unwrap();
        assert_eq!(url, "postgres://root@127.0.0.1:5432/x?connect_timeout=3");
    }
}
