//! The whole route over TLS, and who is refused on it.

mod door;
mod outside;
mod refusals;
mod services;

use epro_proving::certificates::Authority;
use epro_proving::client::phq9;
use epro_proving::services::{Services, host_port, with_host_port};
use epro_proving::tls_front::Front;
use epro_proving::tls_route::TlsRoute;
use epro_proving::{Stack, until};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use crate::support::{BOUND, SITE, STORED, STUDY, counts, link};
use outside::Outside;

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
    let outside = Outside::of(&stack, &ours, &clients).await;
    let tls = [0, 1].map(|_| ours.server("localhost", Some(&clients)).unwrap());
    let told = TlsRoute::of(&stack, &ours, &clients, tls).await.unwrap();
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
    let mut submission = phq9(STUDY, SITE);
    submission["answers"]["44260-8"] = json!(2);
    let subject = outside.minter().patient("P-1", STUDY, SITE).unwrap();
    let submit = async |client: reqwest::Client| {
        let sent = client.post(&at).bearer_auth(&subject).json(&submission).send().await;
        sent.map(|answer| answer.status().as_u16())
    };
    let old = ours.write(stack.folder()).unwrap();
    // It may be ready before it has the issuer's keys.
    until("the door to take it", BOUND, || async {
        Ok((submit(believing(&old)).await? == 202).then_some(()))
    })
    .await
    .unwrap();
    counts(&link(&stack).await, STORED, 1).await;
    outside.reached().await;

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
    let named = "invalid peer certificate: certificate not valid for name \"localhost\"";
    // Whoever doesn't believe us may be gone before their alert is read: then only that it fails is sure.
    let cases: [(&str, &str, Shown); 4] = [
        ("wrong name", named, |ours, _, _| ours.server("elsewhere.example", None).unwrap()),
        ("expired", "invalid peer certificate: certificate expired", |ours, _, _| {
            ours.expired_server("localhost").unwrap()
        }),
        ("unknown authority", "invalid peer certificate: UnknownIssuer", |_, _, other| {
            other.server("localhost", None).unwrap()
        }),
        ("does not know us", "", |ours, _, other| ours.server("localhost", Some(other)).unwrap()),
    ];
    let broker = ["topology", "check"];
    // Of the database only this repeats the library's own words.
    let postgres = ["migrate"];
    let told = TlsRoute::of(&stack, &ours, &clients, [good(), good()]).await.unwrap();
    for line in [&broker[..], &postgres[..]] {
        let (code, out, error) = stack.epro_with(&lent(&told.environment()), line).await.unwrap();
        assert_eq!(code, Some(0), "{line:?}: {out}{error}");
    }
    for (what, words, tls) in cases {
        let bad = || tls(&ours, &clients, &other);
        let told = TlsRoute::of(&stack, &ours, &clients, [bad(), bad()]).await.unwrap();
        let environment = told.environment();
        let environment = lent(&environment);
        let (broker, postgres) =
            tokio::join!(stack.epro_with(&environment, &broker), stack.epro_with(&environment, &postgres));
        for (hop, (code, out, error)) in [("broker", broker.unwrap()), ("postgres", postgres.unwrap())] {
            assert_eq!(code, Some(1), "{hop}, {what}: {out}{error}");
            assert!(error.contains(words), "{hop}, {what}: {out}{error}");
        }
    }
}

#[tokio::test]
async fn a_management_api_with_a_wrong_name_an_expired_or_an_unknown_certificate_is_asked_nothing() {
    let stack = Stack::new().await.unwrap();
    let ours = Authority::new().unwrap();
    let believed = ours.write(stack.folder()).unwrap().display().to_string();
    let management = Services::from_env().unwrap().management;
    let queues = async |tls: TlsAcceptor| {
        let front = Front::to(&host_port(&management).unwrap(), tls).await.unwrap();
        let url = with_host_port(&management, &format!("localhost:{}", front.port())).unwrap();
        let url = url.replacen("http:", "https:", 1);
        let environment = [
            ("EPRO__BROKER__MANAGEMENT_URL", url.as_str()),
            ("EPRO__BROKER__TLS__CA_FILE", believed.as_str()),
        ];
        stack.epro_with(&environment, &["queues"]).await.unwrap()
    };
    let (code, out, error) = queues(ours.server("localhost", None).unwrap()).await;
    assert_eq!(code, Some(0), "{out}{error}");
    for (what, tls) in ours.bad_servers("localhost").unwrap() {
        let (code, out, error) = queues(tls).await;
        assert_eq!(code, Some(1), "{what}: {out}{error}");
        assert!(error.contains("the management API"), "{what}: {error}");
    }
}
