//! Where the real RabbitMQ and PostgreSQL are.

use anyhow::{Context, Result};

use crate::database::Link;
use crate::vhost::Management;

/// The services that tests run on, from `EPRO_TEST_*`.
#[derive(Clone, Debug)]
pub struct Services {
    /// `amqp://user:pass@host:port`, an administrator, without a vhost.
    pub amqp: String,
    /// `http://user:pass@host:port` of the management plugin.
    pub management: String,
    /// `postgres://user:pass@host:port/postgres`, a superuser.
    pub database: String,
}

impl Services {
    /// Reads the environment; an error names the missing variable.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            amqp: var("EPRO_TEST_AMQP_URL")?.trim_end_matches('/').to_owned(),
            management: var("EPRO_TEST_MANAGEMENT_URL")?.trim_end_matches('/').to_owned(),
            database: var("EPRO_TEST_DATABASE_URL")?,
        })
    }

    /// Versions of RabbitMQ and of PostgreSQL, as they say them.
    pub async fn versions(&self) -> Result<(String, String)> {
        let overview = Management::new(&self.management)?.get("/api/overview").await?;
        let broker = overview["rabbitmq_version"].as_str().context("RabbitMQ's version")?.to_owned();
        let row = Link::open(&self.database).await?.client.query_one("SHOW server_version", &[]).await?;
        Ok((broker, row.get(0)))
    }
}

pub(crate) fn var(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| {
        format!("{name} is not set: run `./dev test`, which starts private services and sets it")
    })
}

/// The `host:port` part of a URL, with the scheme's usual port if it has none.
pub fn host_port(url: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a URL without a scheme")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.contains(':') {
        return Ok(host.to_owned());
    }
    let port = match scheme {
        "amqp" => 5672,
        "amqps" => 5671,
        "postgres" | "postgresql" => 5432,
        "https" => 443,
        _ => 80,
    };
    Ok(format!("{host}:{port}"))
}

/// The same URL with another `host:port`: how a process is led through a [`crate::Proxy`].
pub fn with_host_port(url: &str, host_port: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a URL without a scheme")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    Ok(match authority.rsplit_once('@') {
        Some((login, _)) => format!("{scheme}://{login}@{host_port}{tail}"),
        None => format!("{scheme}://{host_port}{tail}"),
    })
}

/// User and password of a URL, as written there.
pub fn login(url: &str) -> Option<(String, String)> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?']).next()?;
    let (login, _) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Some((user.to_owned(), password.to_owned()))
}

/// Runs async work to its end on a thread of its own: for `Drop`, which can't await.
pub(crate) fn in_a_thread<F>(work: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = Result<()>>,
{
    let to_its_end = move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(work()))
    };
    // Cleaning up is best effort: a test that failed must still say why it failed.
    let _ = std::thread::scope(|scope| scope.spawn(to_its_end).join());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_led_to_another_port_and_keeps_the_rest() {
        let led = with_host_port("amqp://a:b@rabbit:5672/v%2F?x=1", "127.0.0.1:9").unwrap();
        assert_eq!(led, "amqp://a:b@127.0.0.1:9/v%2F?x=1");
        assert_eq!(host_port("postgres://root@db/epro").unwrap(), "db:5432");
        assert_eq!(login(&led), Some(("a".into(), "b".into())));
    }
}
