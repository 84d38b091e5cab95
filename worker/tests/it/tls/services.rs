//! A RabbitMQ and a PostgreSQL that speak TLS themselves: Erlang's, and OpenSSL's with logins that are bound to it.

use epro_proving::certificates::Authority;
use epro_proving::client::{Sent, phq9, sha256};
use epro_proving::database::Link;
use epro_proving::own::{Kind, Own};
use epro_proving::services::{Services, login};
use epro_proving::stack::Plan;
use epro_proving::tls_route::TlsRoute;
use epro_proving::{Stack, conservation, until};

use super::{believing, lent};
use crate::support::{BOUND, SITE, STUDY, counts, id, link};

/// What asks the broker, and what asks the database.
const BROKER: [&str; 2] = ["topology", "check"];
const POSTGRES: [&str; 1] = ["hospitals"];

type Environment = Vec<(&'static str, String)>;

/// Both services, which show certificates of `ours` for localhost and want one of `clients`.
struct Ground {
    // In the order in which they go.
    stack: Stack,
    broker: Own,
    postgres: Own,
    ours: Authority,
    clients: Authority,
}

impl Ground {
    async fn new() -> Self {
        let (ours, clients) = (Authority::new().unwrap(), Authority::new().unwrap());
        let broker = Own::start_with_tls(Kind::Broker, &ours, &clients).await.unwrap();
        let postgres = Own::start_with_tls(Kind::Postgres, &ours, &clients).await.unwrap();
        let database = postgres.services().unwrap().database;
        let services = Services { database, ..broker.services().unwrap() };
        let stack = Stack::on(services, Plan::default()).await.unwrap();
        Self { stack, broker, postgres, ours, clients }
    }

    /// What a process is told that is these users, believes `authority` and is vouched for by `clients`.
    fn told(&self, users: [&str; 2], authority: &Authority, clients: &Authority) -> Environment {
        let (broker, postgres) = (self.broker.tls_address().unwrap(), self.postgres.tls_address().unwrap());
        let addresses = [broker.as_str(), postgres.as_str()];
        TlsRoute::straight(&self.stack, users, addresses, authority, clients).unwrap().environment()
    }

    /// The same for an administrator of both.
    fn administrator(&self, authority: &Authority, clients: &Authority) -> Environment {
        self.told([self.stack.vhost().url(), self.stack.database().url()], authority, clients)
    }

    /// The exit code of a command of `epro`, and what it said.
    async fn epro(&self, told: &[(&'static str, String)], line: &[&str]) -> (Option<i32>, String) {
        let (code, out, error) = self.stack.epro_with(&lent(told), line).await.unwrap();
        (code, format!("{out}{error}"))
    }
}

#[tokio::test]
async fn a_submission_is_stored_by_services_that_speak_tls_themselves() {
    let ground = Ground::new().await;
    whoever_is_not_known_is_refused(&ground).await;
    no_login_is_good_through_a_relay(&ground).await;

    let stack = &ground.stack;
    let user = stack.vhost().login(["^$", ".*", ".*"]).await.unwrap();
    let intake = stack.database().login("epro_intake").await.unwrap();
    let stores = stack.database().login("epro_worker").await.unwrap();
    let mut told = ground.told([user.url(), intake.url()], &ground.ours, &ground.clients);
    let shown = ground.ours.server_files(stack.folder(), "localhost").unwrap();
    told.push(("EPRO__INTAKE__TLS__CERTIFICATE_FILE", shown.certificate.display().to_string()));
    told.push(("EPRO__INTAKE__TLS__KEY_FILE", shown.key.display().to_string()));
    let mut api = stack.spawn("epro-producer-api", &lent(&told)).unwrap();
    let told = ground.told([user.url(), stores.url()], &ground.ours, &ground.clients);
    let mut worker = stack.spawn("epro-worker", &lent(&told)).unwrap();
    api.ready().await.unwrap();
    worker.ready().await.unwrap();

    let port = api.listen().rsplit_once(':').unwrap().1;
    let sent = submit(&ground, &format!("https://localhost:{port}")).await;
    let link = link(stack).await;
    let stored = "SELECT count(*) FROM identified.submission WHERE submission_id = ";
    counts(&link, &format!("{stored}'{}'", sent.id), 1).await;
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'submission.stored' AND outcome = 'ok'";
    counts(&link, &format!("{audited} AND submission_id = '{}'", sent.id), 1).await;
    conservation(stack, &[sent]).await.unwrap();

    the_broker_knows_both_certificates(&ground, user.url()).await;
    the_database_knows_the_certificate_of(&link, stores.url()).await;
    the_database_knows_no_plain_text(stores.url()).await;
}

/// Sends one over HTTPS to the door at `base`.
async fn submit(ground: &Ground, base: &str) -> Sent {
    let believed = ground.ours.write(ground.stack.folder()).unwrap();
    let submission = phq9(STUDY, SITE);
    let bytes = submission.to_string().into_bytes();
    let token = ground.stack.minter().patient("P-1", STUDY, SITE).unwrap();
    let request = believing(&believed).post(format!("{base}/api/v1/epro/submit")).bearer_auth(&token);
    let request = request.header("content-type", "application/json").body(bytes.clone());
    let status = request.send().await.unwrap().status().as_u16();
    assert_eq!(status, 202);
    let id = id(&submission).parse().unwrap();
    Sent { id, sha256: sha256(&bytes), bytes: bytes.into(), status: Some(status) }
}

/// What is told is good but for one thing each time, on our side or on theirs.
async fn whoever_is_not_known_is_refused(ground: &Ground) {
    let (ours, clients, other) = (&ground.ours, &ground.clients, Authority::new().unwrap());
    let good = ground.administrator(ours, clients);
    for line in [&BROKER[..], &POSTGRES[..]] {
        let (code, said) = ground.epro(&good, line).await;
        assert_eq!(code, Some(0), "{line:?}: {said}");
    }
    let mut unvouched = good.clone();
    unvouched.retain(|(name, _)| !name.ends_with("__CERTIFICATE_FILE") && !name.ends_with("__KEY_FILE"));
    let mut elsewhere = good.clone();
    for (name, value) in &mut elsewhere {
        if name.ends_with("__URL") {
            *value = value.replace("@localhost:", "@127.0.0.1:");
        }
    }
    let cases = [
        ("we believe another authority", ground.administrator(&other, clients)),
        ("they show another name", elsewhere),
        ("we show no certificate", unvouched),
        ("we show one of another authority", ground.administrator(ours, &other)),
    ];
    for (what, told) in cases {
        assert_ne!(told, good, "{what}");
        let (broker, postgres) = tokio::join!(ground.epro(&told, &BROKER), ground.epro(&told, &POSTGRES));
        for (hop, (code, said)) in [("broker", broker), ("postgres", postgres)] {
            assert_eq!(code, Some(1), "{hop}, {what}: {said}");
        }
    }
}

/// Somebody between us and the database whose certificate we believe gets no login that is bound to the channel.
async fn no_login_is_good_through_a_relay(ground: &Ground) {
    let tls = [0, 1].map(|_| ground.ours.server("localhost", Some(&ground.clients)).unwrap());
    let relayed = TlsRoute::of(&ground.stack, &ground.ours, &ground.clients, tls).await.unwrap();
    let mut told = relayed.environment();
    let (code, said) = ground.epro(&told, &POSTGRES).await;
    assert_eq!(code, Some(0), "a login that is bound to nothing: {said}");
    for (name, value) in &mut told {
        if *name == "EPRO__POSTGRES__URL" {
            value.push_str("&channel_binding=require");
        }
    }
    let (code, said) = ground.epro(&told, &POSTGRES).await;
    assert_eq!(code, Some(1), "{said}");
}

/// Door and worker are connected over TLS, each with the certificate that it was given.
async fn the_broker_knows_both_certificates(ground: &Ground, url: &str) {
    let (vhost, user) = (ground.stack.vhost(), login(url).unwrap().0);
    let path = format!("/api/vhosts/{}/connections", vhost.name());
    until("the broker to list door and worker with their certificates", BOUND, || async {
        let all = vhost.management().get(&path).await?;
        let all: Vec<_> = all.as_array().into_iter().flatten().filter(|one| one["user"] == user).collect();
        let known = all.iter().all(|one| {
            let shown = one["peer_cert_subject"].as_str().unwrap_or_default();
            one["ssl"] == true && shown.contains("a client")
        });
        Ok((all.len() >= 2 && known).then_some(()))
    })
    .await
    .unwrap();
}

async fn the_database_knows_the_certificate_of(link: &Link, url: &str) {
    let user = login(url).unwrap().0;
    let of = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = ";
    let sql = format!("{of}'{user}' AND ssl AND client_dn LIKE '%CN=a client'");
    assert!(link.count(&sql).await.unwrap() > 0);
}

/// The user is good, and whoever comes without TLS is refused all the same.
async fn the_database_knows_no_plain_text(url: &str) {
    let refused = Link::open(url).await.err().map(|error| format!("{error:?}"));
    assert!(refused.as_ref().is_some_and(|said| said.contains("no encryption")), "{refused:?}");
}
