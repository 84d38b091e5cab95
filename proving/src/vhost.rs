//! A vhost of a test's own, and what only an administrator may do to it.

use anyhow::{Context, Result, bail};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::services::{Services, in_a_thread, login};

/// An empty vhost, deleted with this value, also on panic.
#[derive(Debug)]
pub struct Vhost {
    admin: Management,
    name: String,
    url: String,
    kept: bool,
}

impl Vhost {
    /// Creates one on the service named by `EPRO_TEST_AMQP_URL` and `EPRO_TEST_MANAGEMENT_URL`.
    pub async fn create() -> Result<Self> {
        Self::create_on(&Services::from_env()?).await
    }

    /// Creates one on the given services.
    pub async fn create_on(services: &Services) -> Result<Self> {
        let admin = Management::new(&services.management)?;
        let name = format!("epro-test-{}", Uuid::now_v7().simple());
        let (user, _) = login(&services.amqp).unwrap_or(("guest".into(), String::new()));
        admin.send(Method::PUT, &format!("/api/vhosts/{name}"), Some(json!({}))).await?;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        let path = format!("/api/permissions/{name}/{user}");
        admin.send(Method::PUT, &path, Some(all)).await?;
        let url = format!("{}/{name}", services.amqp);
        Ok(Self { admin, name, url, kept: false })
    }

    /// `amqp://user:pass@host:port/vhost`, as the administrator.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The management API, for what a test wants to ask or break.
    pub fn management(&self) -> &Management {
        &self.admin
    }

    /// An AMQP connection of the test's own.
    pub async fn connect(&self) -> Result<Connection> {
        let properties = ConnectionProperties::default().with_connection_name("proving".into());
        Ok(Connection::connect(&self.url, properties).await?)
    }

    /// Ready messages of a queue, by passive declare: the broker's own answer, not a statistic.
    /// An error when the queue is not there.
    pub async fn ready(&self, queue: &str) -> Result<u32> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let ready = ready(&channel, queue).await?;
        connection.close(200, "done".into()).await?;
        Ok(ready)
    }

    /// Consumers of a queue, by passive declare.
    pub async fn consumers(&self, queue: &str) -> Result<u32> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        connection.close(200, "done".into()).await?;
        Ok(found.consumer_count())
    }

    /// Names of all queues.
    pub async fn queues(&self) -> Result<Vec<String>> {
        let all = self.admin.get(&format!("/api/queues/{}?columns=name", self.name)).await?;
        let names = all.as_array().context("a list of queues")?;
        Ok(names.iter().filter_map(|q| q["name"].as_str().map(str::to_owned)).collect())
    }

    /// Ready and unacked messages of a queue by the management API; 5 s old at most.
    pub async fn messages(&self, queue: &str) -> Result<u64> {
        let found = self.admin.get(&format!("/api/queues/{}/{queue}", self.name)).await?;
        let messages = found["messages"].as_u64().with_context(|| format!("no statistics of {queue} yet"))?;
        if found["members"].as_array().is_some_and(|nodes| nodes.len() > 1) {
            return self.messages_by_its_leader(queue).await;
        }
        Ok(messages)
    }

    /// Of a cluster, statistics are the sum of what each node last knew, also one that leads the queue no more. Totals
    /// of a whole vhost are the leaders' alone, and as old.
    async fn messages_by_its_leader(&self, queue: &str) -> Result<u64> {
        let path = format!("/api/queues/{}?disable_stats=true&enable_queue_totals=true", self.name);
        let all = self.admin.get(&path).await?;
        let all = all.as_array().context("a list of queues")?;
        let found = all.iter().find(|found| found["name"] == queue);
        let found = found.with_context(|| format!("nobody leads {queue}"))?;
        found["messages"].as_u64().with_context(|| format!("no totals of {queue}"))
    }

    /// Deletes a queue with all that is in it.
    pub async fn delete_queue(&self, queue: &str) -> Result<()> {
        self.admin.send(Method::DELETE, &format!("/api/queues/{}/{queue}", self.name), None).await?;
        Ok(())
    }

    /// Deletes an exchange with its bindings; whoever publishes to it next loses its channel.
    pub async fn delete_exchange(&self, exchange: &str) -> Result<()> {
        self.admin.send(Method::DELETE, &format!("/api/exchanges/{}/{exchange}", self.name), None).await?;
        Ok(())
    }

    /// Puts a policy on queues whose name matches `pattern`, above the shipped ones.
    pub async fn policy(&self, name: &str, pattern: &str, definition: Value) -> Result<()> {
        let body = json!({
            "pattern": pattern, "definition": definition, "priority": 1000, "apply-to": "queues",
        });
        let path = format!("/api/policies/{}/{name}", self.name);
        self.admin.send(Method::PUT, &path, Some(body)).await?;
        Ok(())
    }

    /// Takes a policy away.
    pub async fn remove_policy(&self, name: &str) -> Result<()> {
        let path = format!("/api/policies/{}/{name}", self.name);
        self.admin.send(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// Makes the broker close every connection of this vhost; gives how many.
    pub async fn close_connections(&self) -> Result<usize> {
        let all = self.admin.get(&format!("/api/vhosts/{}/connections", self.name)).await?;
        let mut closed = 0;
        for connection in all.as_array().context("a list of connections")? {
            let Some(name) = connection["name"].as_str() else { continue };
            let path = format!("/api/connections/{}", percent(name));
            // It may have gone meanwhile.
            if self.admin.send(Method::DELETE, &path, None).await.is_ok() {
                closed += 1;
            }
        }
        Ok(closed)
    }

    /// A user that may log in, with these rights in this vhost: patterns for configure, write and read.
    pub async fn login(&self, rights: [&str; 3]) -> Result<BrokerLogin> {
        self.tagged("", rights).await
    }

    /// The same with tags, which say what it may of the management API.
    pub async fn tagged(&self, tags: &str, [configure, write, read]: [&str; 3]) -> Result<BrokerLogin> {
        let name = format!("epro-login-{}", Uuid::now_v7().simple());
        let user = json!({"password": name, "tags": tags});
        self.admin.send(Method::PUT, &format!("/api/users/{name}"), Some(user)).await?;
        let rights = json!({"configure": configure, "write": write, "read": read});
        let path = format!("/api/permissions/{}/{name}", self.name);
        self.admin.send(Method::PUT, &path, Some(rights)).await?;
        let host = crate::services::host_port(&self.url)?;
        let url = format!("amqp://{name}:{name}@{host}/{}", self.name);
        Ok(BrokerLogin { base: self.admin.base.clone(), name, url })
    }

    /// Leaves the vhost there after the test, to look at.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

/// A user of the whole broker, deleted with this value.
#[derive(Debug)]
pub struct BrokerLogin {
    base: String,
    name: String,
    url: String,
}

impl BrokerLogin {
    /// The vhost's URL as this user.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The management API as this user.
    pub fn management(&self) -> Result<Management> {
        let host = crate::services::host_port(&self.base)?;
        Management::new(&format!("http://{name}:{name}@{host}", name = self.name))
    }

    /// An AMQP connection as this user.
    pub async fn connect(&self) -> Result<Connection> {
        Ok(Connection::connect(&self.url, ConnectionProperties::default()).await?)
    }
}

impl Drop for BrokerLogin {
    fn drop(&mut self) {
        let (base, name) = (self.base.clone(), self.name.clone());
        in_a_thread(move || async move {
            let admin = Management::new(&base)?;
            admin.send(Method::DELETE, &format!("/api/users/{name}"), None).await?;
            Ok(())
        });
    }
}

/// Ready messages of a queue, asked on a channel of the caller's. The channel ends with an error
/// when the queue is not there.
pub async fn ready(channel: &Channel, queue: &str) -> Result<u32> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    Ok(found.with_context(|| format!("queue {queue}"))?.message_count())
}

impl Drop for Vhost {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (base, name) = (self.admin.base.clone(), self.name.clone());
        in_a_thread(move || async move {
            let admin = Management::new(&base)?;
            admin.send(Method::DELETE, &format!("/api/vhosts/{name}"), None).await?;
            Ok(())
        });
    }
}

/// The management API of RabbitMQ.
#[derive(Clone, Debug)]
pub struct Management {
    base: String,
    http: reqwest::Client,
}

impl Management {
    /// For `http://user:pass@host:port`.
    pub fn new(base: &str) -> Result<Self> {
        let http = crate::http::client(std::time::Duration::from_secs(20))?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http })
    }

    /// A GET that must succeed, as JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// A request that must succeed; an empty answer is `null`.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        if !status.is_success() {
            bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => (b as char).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}
