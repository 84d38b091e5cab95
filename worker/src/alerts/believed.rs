//! Which mail servers and gateways are believed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use epro_process::config::{Content, SmsConfig, SmtpConfig, SmtpTls};
use epro_proving::certificates::{Authority, Pair};
use epro_proving::inbox::{Inbox, Secured};
use epro_proving::sms_gateway::SmsGateway;
use epro_proving::tls_front::Front;
use time::OffsetDateTime;
use uuid::Uuid;

use super::email::Email;
use super::notice::Notice;
use super::sms::Sms;

/// Long enough for an answer on a busy machine.
const PATIENT: Duration = Duration::from_secs(20);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("epro-believed-{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// One within it.
    fn within(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Sends one mail to a server on that port.
async fn mail(port: u16, tls: SmtpTls, ca_file: &Path) -> Result<(), String> {
    epro_process::tls::install();
    let config = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port,
        tls,
        ca_file: Some(ca_file.to_owned()),
        login: None,
        from: "relay@epro.example".to_owned(),
        timeout: PATIENT,
    };
    let (subject, text, short) = ("a subject".to_owned(), "a text".to_owned(), String::new());
    let notice = Notice { about: Uuid::now_v7(), subject, text, short };
    Email::new(&config).unwrap().send(Uuid::now_v7(), "lee@h001.example", &notice).await
}

/// Sends one text message to a gateway on that port.
async fn message(port: u16, ca_file: &Path) -> Result<(), String> {
    epro_process::tls::install();
    let config = SmsConfig {
        url: format!("https://127.0.0.1:{port}/messages").into(),
        ca_file: Some(ca_file.to_owned()),
        headers: BTreeMap::new(),
        content: Content::Json,
        body: r#"{"to":"{to}","text":"{text}"}"#.to_owned(),
        idempotency_header: None,
        timeout: PATIENT,
    };
    Sms::new(&config).unwrap().send(Uuid::now_v7(), "+15550102", "a text").await
}

#[tokio::test]
async fn a_mail_server_with_a_wrong_name_an_expired_or_an_unknown_certificate_gets_nothing() {
    let (folder, ours, inbox) = (Folder::new(), Authority::new().unwrap(), Inbox::start().await.unwrap());
    let ca_file = ours.write(&folder.0).unwrap();
    let server = format!("127.0.0.1:{}", inbox.port());
    for (what, tls) in ours.bad_servers("127.0.0.1").unwrap() {
        let front = Front::to(&server, tls).await.unwrap();
        assert!(mail(front.port(), SmtpTls::Implicit, &ca_file).await.is_err(), "{what}");
    }
    assert_eq!(inbox.mails().unwrap().len(), 0);
    let front = Front::to(&server, ours.server("127.0.0.1", None).unwrap()).await.unwrap();
    assert_eq!(mail(front.port(), SmtpTls::Implicit, &ca_file).await, Ok(()));
    assert_eq!(inbox.mails().unwrap().len(), 1);
}

#[tokio::test]
async fn after_starttls_the_same_holds_and_who_does_not_offer_it_gets_nothing() {
    let (folder, ours, other) = (Folder::new(), Authority::new().unwrap(), Authority::new().unwrap());
    let ca_file = ours.write(&folder.0).unwrap();
    let past = OffsetDateTime::now_utc() - time::Duration::days(1);
    let shown: [(&str, Pair, bool); 4] = [
        ("good", ours.server_files(&folder.within("good"), "127.0.0.1").unwrap(), true),
        ("for another name", ours.server_files(&folder.within("name"), "elsewhere.example").unwrap(), false),
        ("expired", ours.server_files_until(&folder.within("expired"), "127.0.0.1", past).unwrap(), false),
        ("of an unknown authority", other.server_files(&folder.within("other"), "127.0.0.1").unwrap(), false),
    ];
    for (what, pair, is_good) in shown {
        let secured = Secured { tls: "starttls", certificate: pair.certificate, key: pair.key, login: None };
        let inbox = Inbox::secured(secured).await.unwrap();
        let sent = mail(inbox.port(), SmtpTls::Starttls, &ca_file).await;
        assert_eq!(
            (sent.is_ok(), inbox.mails().unwrap().len()),
            (is_good, usize::from(is_good)),
            "{what}: {sent:?}"
        );
    }
    let plain = Inbox::start().await.unwrap();
    assert!(mail(plain.port(), SmtpTls::Starttls, &ca_file).await.is_err());
    assert_eq!(plain.mails().unwrap().len(), 0);
}

#[tokio::test]
async fn a_gateway_with_a_wrong_name_an_expired_or_an_unknown_certificate_gets_nothing() {
    let (folder, ours, gateway) =
        (Folder::new(), Authority::new().unwrap(), SmsGateway::start().await.unwrap());
    let ca_file = ours.write(&folder.0).unwrap();
    for (what, tls) in ours.bad_servers("127.0.0.1").unwrap() {
        let front = Front::to(&gateway.address(), tls).await.unwrap();
        assert!(message(front.port(), &ca_file).await.is_err(), "{what}");
    }
    assert_eq!(gateway.texts().len(), 0);
    let front = Front::to(&gateway.address(), ours.server("127.0.0.1", None).unwrap()).await.unwrap();
    assert_eq!(message(front.port(), &ca_file).await, Ok(()));
    assert_eq!(gateway.texts().len(), 1);
}
