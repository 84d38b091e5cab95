//! The whole route over TLS, and who is refused on it.

use epro_proving::certificates::{Authority, Pair};
use epro_proving::client::phq9;
use epro_proving::services::{host_port, with_host_port};
use epro_proving::tls_front::Front;
use epro_proving::{Stack, until};
use tokio_rustls::TlsAcceptor;

use crate::support::{BOUND, SITE, STUDY, link};

/// What a process is told of its two services, all through TLS.
struct Told {
    broker: Front,
    postgres: Front,
    urls: [String; 2],
    authority: String,
    own: Pair,
}

impl Told {
    async fn of(stack: &Stack, authority: &Authority, clients: &Authority, tls: [TlsAcceptor; 2]) -> Self {
        let (amqp, postgres) = (stack.vhost().url(), stack.database().url());
        let [for_broker, for_postgres] = tls;
        let broker = Front::to(&host_port(amqp).unwrap(), for_broker).await.unwrap();
        let postgres_front = Front::to_postgres(&host_port(postgres).unwrap(), for_postgres).await.unwrap();
        let amqp = with_host_port(amqp, &format!("localhost:{}", broker.port())).unwrap();
        let postgres = with_host_port(postgres, &format!("localhost:{}", postgres_front.port())).unwrap();
        Self {
            broker,
            postgres: postgres_front,
            urls: [amqp.replacen("amqp:", "amqps:", 1), format!("{postgres}?sslmode=verify-full")],
            authority: authority.write(stack.folder()).unwrap().display().to_string(),
            own: clients.client(stack.folder()).unwrap(),
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        assert!(self.broker.port() != self.postgres.port());
        let (certificate, key) = (self.own.certificate.display(), self.own.key.display());
        vec![
            ("EPRO__BROKER__URL", self.urls[0].clone()),
            ("EPRO__BROKER__TLS__CA_FILE", self.authority.clone()),
            ("EPRO__BROKER__TLS__CERTIFICATE_FILE", certificate.to_string()),
            ("EPRO__BROKER__TLS__KEY_FILE", key.to_string()),
            ("EPRO__POSTGRES__URL", self.urls[1].clone()),
            ("EPRO__POSTGRES__TLS__CA_FILE", self.authority.clone()),
            ("EPRO__POSTGRES__TLS__CERTIFICATE_FILE", certificate.to_string()),
            ("EPRO__POSTGRES__TLS__KEY_FILE", key.to_string()),
        ]
    }
}

fn lent<'e>(environment: &'e [(&'static str, String)]) -> Vec<(&'e str, &'e str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A client that believes one authority, on connections of its own.
fn believing(file: &std::path::Path) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    builder.pool_max_idle_per_host(0).build().unwrap()
}

#[tokio::test]
async fn a_submission_goes_all_its_way_over_tls_and_a_new_certificate_needs_no_restart() {
    let stack = Stack::new().await.unwrap();
    let (ours, clients) = (Authority::new().unwrap(), Authority::new().unwrap());
    let tls = [0, 1].map(|_| ours.server("localhost", Some(&clients)).unwrap());
    let told = Told::of(&stack, &ours, &clients, tls).await;
    let shown = ours.server_files(stack.folder(), "localhost").unwrap();
    let mut environment = told.environment();
    environment.push(("EPRO__INTAKE__TLS__CERTIFICATE_FILE", shown.certificate.display().to_string()));
    environment.push(("EPRO__INTAKE__TLS__KEY_FILE", shown.key.display().to_string()));
    let mut api = stack.spawn("epro-producer-api", &lent(&environment)).unwrap();
    let mut worker = stack.spawn("epro-worker", &lent(&environment)).unwrap();
    api.ready().await.unwrap();
    worker.ready().await.unwrap();

    let port = api.listen().rsplit_once(':').unwrap().1.to_owned();
    let at = format!("https://localhost:{port}/api/v1/epro/submit");
    let submission = phq9(STUDY, SITE);
    let subject = stack.minter().patient("P-1", STUDY, SITE).unwrap();
    let submit = async |client: reqwest::Client| {
        let sent = client.post(&at).bearer_auth(&subject).json(&submission).send().await;
        sent.map(|answer| answer.status().as_u16())
    };
    let old = ours.write(stack.folder()).unwrap();
    assert_eq!(submit(believing(&old)).await.unwrap(), 202);
    let stored = "SELECT count(*) FROM identified.submission";
    let link = link(&stack).await;
    until("the row", BOUND, || async { Ok((link.count(stored).await? == 1).then_some(())) }).await.unwrap();

    // Somebody who isn't believed, and a door that is asked under another name.
    let other = Authority::new().unwrap();
    let new = other.write(stack.folder()).unwrap();
    assert!(submit(believing(&new)).await.is_err());
    assert!(believing(&old).get(format!("https://127.0.0.1:{port}/docs")).send().await.is_err());
    other.server_files(stack.folder(), "localhost").unwrap();
    until("the new certificate", BOUND, || async { Ok(submit(believing(&new)).await.ok()) }).await.unwrap();
    assert!(submit(believing(&old)).await.is_err());
}

#[tokio::test]
async fn a_broker_or_a_database_with_a_wrong_name_an_expired_or_an_unknown_certificate_is_refused() {
    let stack = Stack::new().await.unwrap();
    let (ours, clients, other) =
        (Authority::new().unwrap(), Authority::new().unwrap(), Authority::new().unwrap());
    let good = || ours.server("localhost", Some(&clients)).unwrap();
    type Shown = fn(&Authority, &Authority, &Authority) -> TlsAcceptor;
    let cases: [(&str, Shown); 4] = [
        ("wrong name", |ours, _, _| ours.server("elsewhere.example", None).unwrap()),
        ("expired", |ours, _, _| ours.expired_server("localhost").unwrap()),
        ("unknown authority", |_, _, other| other.server("localhost", None).unwrap()),
        ("does not know us", |ours, _, other| ours.server("localhost", Some(other)).unwrap()),
    ];
    let broker = ["topology", "check"];
    let postgres = ["hospitals"];
    let told = Told::of(&stack, &ours, &clients, [good(), good()]).await;
    for line in [&broker[..], &postgres[..]] {
        let (code, out, error) = stack.epro_with(&lent(&told.environment()), line).await.unwrap();
        assert_eq!(code, Some(0), "{line:?}: {out}{error}");
    }
    for (what, tls) in cases {
        let bad = || tls(&ours, &clients, &other);
        let told = Told::of(&stack, &ours, &clients, [bad(), bad()]).await;
        let environment = told.environment();
        let environment = lent(&environment);
        let (broker, postgres) =
            tokio::join!(stack.epro_with(&environment, &broker), stack.epro_with(&environment, &postgres));
        for (hop, (code, out, error)) in [("broker", broker.unwrap()), ("postgres", postgres.unwrap())] {
            assert_eq!(code, Some(1), "{hop}, {what}: {out}{error}");
        }
    }
}
