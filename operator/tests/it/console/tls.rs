//! The console's own certificate, and those that it wants of browsers.

use std::path::Path;
use std::time::Duration;

use epro_proving::certificates::{Authority, Pair};
use epro_proving::{Service, Stack, until};

use super::visitor::Visitor;

const BOUND: Duration = Duration::from_secs(60);

/// A console that shows these files; with `clients` it lets in whom those authorities vouch for.
async fn console(stack: &Stack, shown: &Pair, clients: Option<&Path>) -> Service {
    let (certificate, key) = (shown.certificate.display().to_string(), shown.key.display().to_string());
    let clients = clients.map(|clients| clients.display().to_string());
    let mut environment = vec![
        ("EPRO__CONSOLE__TLS__CERTIFICATE_FILE", certificate.as_str()),
        ("EPRO__CONSOLE__TLS__KEY_FILE", key.as_str()),
    ];
    environment.extend(clients.as_deref().map(|file| ("EPRO__CONSOLE__TLS__CLIENT_CA_FILE", file)));
    stack.console_with(&environment).await.unwrap()
}

fn a_year_ago() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc() - time::Duration::days(365)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_https_somebody_signs_in_with_a_cookie_for_https_alone_and_plain_text_hears_nothing() {
    let stack = Stack::new().await.unwrap();
    let ours = Authority::new().unwrap();
    let shown = ours.server_files(stack.folder(), "localhost").unwrap();
    let console = console(&stack, &shown, None).await;
    let mut ann = Visitor::over_tls(&console, &ours.write(stack.folder()).unwrap(), None);
    let entered = ann.sign_in(&stack.minter().operator("ann", &["operator"]).unwrap()).await;
    assert_eq!(entered.status, 303, "{}", entered.body);
    let cookie = entered.header("set-cookie");
    assert!(cookie.starts_with("__Host-epro=") && cookie.ends_with("; Secure"), "{cookie}");
    ann.cookie = cookie.split(';').next().unwrap().to_owned();
    assert!(ann.get("/").await.body.contains(">ann</span>"));

    let lane = ("what", "exports");
    assert_eq!(ann.post("/pauses/set", &[lane, ("reason", "a look")]).await.status, 303);
    let token = ann.form_token().await;
    let fields = [lane, ("reason", "it was one"), ("form_token", token.as_str())];
    let plain = console.url();
    assert_eq!(ann.post_from(&plain, "/pauses/end", &fields).await.status, 403, "of a page by http");
    assert!(Visitor::new(&console).knock().await.is_err(), "by http");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_with_a_wrong_name_an_expired_or_an_unknown_certificate_is_told_nothing() {
    let stack = Stack::new().await.unwrap();
    let (ours, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let folder = stack.folder();
    let shown = ours.server_files(folder, "localhost").unwrap();
    let console = console(&stack, &shown, None).await;
    let visitor = Visitor::over_tls(&console, &ours.write(folder).unwrap(), None);
    assert_eq!(visitor.knock().await, Ok(200));

    // Each in place of the one before it: the console reads its files anew.
    let refused = async |rule: &str| {
        let look = || async {
            let error = visitor.knock().await.err();
            Ok(error.filter(|error| error.contains(rule)).map(drop))
        };
        until(&format!("{rule}, said by the browser"), BOUND, look).await.unwrap();
    };
    ours.server_files(folder, "elsewhere.example").unwrap();
    refused("NotValidForName").await;
    ours.server_files_until(folder, "localhost", a_year_ago()).unwrap();
    refused("Expired").await;
    other.server_files(folder, "localhost").unwrap();
    refused("UnknownIssuer").await;
    let theirs = Visitor::over_tls(&console, &other.write(folder).unwrap(), None);
    assert_eq!(theirs.knock().await, Ok(200), "the new one is shown");
    ours.server_files(folder, "localhost").unwrap();
    until("the good certificate", BOUND, || async { Ok(visitor.knock().await.ok()) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_browsers_without_a_certificate_a_console_that_wants_one_hears_nothing() {
    let stack = Stack::new().await.unwrap();
    let (ours, clients, other) =
        (Authority::new().unwrap(), Authority::new().unwrap(), Authority::new().unwrap());
    let folder = stack.folder();
    let shown = ours.server_files(folder, "localhost").unwrap();
    let console = console(&stack, &shown, Some(&clients.write(folder).unwrap())).await;
    let believed = ours.write(folder).unwrap();
    let good = clients.client(folder).unwrap();
    let unknown = other.client(folder).unwrap();
    for own in [None, Some(&unknown)] {
        assert!(Visitor::over_tls(&console, &believed, own).knock().await.is_err(), "{own:?}");
    }
    assert_eq!(Visitor::over_tls(&console, &believed, Some(&good)).knock().await, Ok(200));
}
