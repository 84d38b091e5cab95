//! The door's own certificate, and those that it wants of its clients.

use std::path::Path;

use epro_proving::certificates::{Authority, Pair};
use epro_proving::client::phq9;
use epro_proving::{Service, Stack, until};
use reqwest::{Certificate, Identity};
use time::{Duration, OffsetDateTime};

use crate::support::{BOUND, SITE, STUDY};

/// A client that believes one authority and shows `own`, on connections of its own.
fn client(authority: &Path, own: Option<&Pair>) -> reqwest::Client {
    let authority = Certificate::from_pem(&std::fs::read(authority).unwrap()).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).pool_max_idle_per_host(0);
    let builder = match own {
        None => builder,
        Some(own) => {
            let mut pem = std::fs::read(&own.certificate).unwrap();
            pem.extend(std::fs::read(&own.key).unwrap());
            builder.identity(Identity::from_pem(&pem).unwrap())
        }
    };
    builder.build().unwrap()
}

/// A door that shows these files, and where it answers; with `clients` it lets in whom those authorities vouch for.
async fn door(stack: &Stack, shown: &Pair, clients: Option<&Path>) -> (Service, String) {
    let (certificate, key) = (shown.certificate.display().to_string(), shown.key.display().to_string());
    let clients = clients.map(|clients| clients.display().to_string());
    let mut environment = vec![
        ("EPRO__INTAKE__TLS__CERTIFICATE_FILE", certificate.as_str()),
        ("EPRO__INTAKE__TLS__KEY_FILE", key.as_str()),
    ];
    environment.extend(clients.as_deref().map(|file| ("EPRO__INTAKE__TLS__CLIENT_CA_FILE", file)));
    let mut api = stack.spawn("epro-producer-api", &environment).unwrap();
    api.ready().await.unwrap();
    let port = api.listen().rsplit_once(':').unwrap().1.to_owned();
    (api, format!("https://localhost:{port}"))
}

fn a_year_ago() -> OffsetDateTime {
    OffsetDateTime::now_utc() - Duration::days(365)
}

#[tokio::test]
async fn a_door_with_a_wrong_name_an_expired_or_an_unknown_certificate_is_told_nothing() {
    let stack = Stack::new().await.unwrap();
    let (ours, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let folder = stack.folder();
    let believed = ours.write(folder).unwrap();
    let shown = ours.server_files(folder, "localhost").unwrap();
    let (_api, at) = door(&stack, &shown, None).await;
    // Open to everybody: whoever gets no answer failed at the certificate.
    let asked = async || client(&believed, None).get(format!("{at}/docs")).send().await;
    assert_eq!(asked().await.unwrap().status().as_u16(), 200);

    // Each in place of the one before it: the door reads its files anew.
    let refused = async |rule: &str| {
        let look = || async {
            let error = asked().await.err().map(|error| format!("{error:?}"));
            Ok(error.filter(|error| error.contains(rule)).map(drop))
        };
        until(&format!("{rule}, said by the client"), BOUND, look).await.unwrap();
    };
    ours.server_files(folder, "elsewhere.example").unwrap();
    refused("NotValidForName").await;
    ours.server_files_until(folder, "localhost", a_year_ago()).unwrap();
    refused("Expired").await;
    other.server_files(folder, "localhost").unwrap();
    refused("UnknownIssuer").await;
    ours.server_files(folder, "localhost").unwrap();
    until("the good certificate", BOUND, || async { Ok(asked().await.ok().map(drop)) }).await.unwrap();
}

#[tokio::test]
async fn of_clients_with_no_an_expired_or_an_unknown_certificate_a_door_that_wants_one_hears_nothing() {
    let stack = Stack::new().await.unwrap();
    let (ours, clients, other) =
        (Authority::new().unwrap(), Authority::new().unwrap(), Authority::new().unwrap());
    let folder = stack.folder();
    let believed = ours.write(folder).unwrap();
    let shown = ours.server_files(folder, "localhost").unwrap();
    let (_api, at) = door(&stack, &shown, Some(&clients.write(folder).unwrap())).await;
    let good = clients.client(folder).unwrap();

    // Beside the door's own files, not in their place.
    let elsewhere = folder.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let refused = [
        ("no certificate", None),
        ("an expired one", Some(clients.client_until(folder, a_year_ago()).unwrap())),
        ("one of an unknown authority", Some(other.client(folder).unwrap())),
        ("a server's", Some(clients.server_files(&elsewhere, "localhost").unwrap())),
    ];
    // Open to everybody who gets in: whoever gets no answer failed at the certificate.
    let asked = async |own: Option<&Pair>| client(&believed, own).get(format!("{at}/docs")).send().await;
    for (what, own) in &refused {
        assert!(asked(own.as_ref()).await.is_err(), "{what}");
    }
    assert_eq!(asked(Some(&good)).await.unwrap().status().as_u16(), 200);

    // A certificate opens the connection and nothing else: who one is says the token.
    let submission = phq9(STUDY, SITE);
    let submit = || client(&believed, Some(&good)).post(format!("{at}/api/v1/epro/submit")).json(&submission);
    assert_eq!(submit().send().await.unwrap().status().as_u16(), 401);
    let token = stack.minter().patient("P-1", STUDY, SITE).unwrap();
    assert_eq!(submit().bearer_auth(&token).send().await.unwrap().status().as_u16(), 202);
}
