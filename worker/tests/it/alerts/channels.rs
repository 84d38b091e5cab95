//! Mail and text messages: both go out, and one that fails stops neither the other nor the next alert.

use std::path::{Path, PathBuf};
use std::process::Command;

use epro_proving::inbox::{Inbox, Secured};
use epro_proving::sms_gateway::{Manner, SmsGateway};
use epro_proving::until;
use serde_json::{Value, json};

use super::{SENT, UNDONE, alerting, both, cho, lee, send, the_alert};
use crate::support::{BOUND, counts, link, says};

const FAILED: &str = "SELECT count(*) FROM ops.notice WHERE state = 'failed'";

#[tokio::test(flavor = "multi_thread")]
async fn each_person_is_told_once_by_each_channel_under_an_id_of_the_notices_own() {
    let (inbox, gateway) = (Inbox::start().await.unwrap(), SmsGateway::start().await.unwrap());
    let change = json!({"smtp": inbox.config(), "sms": gateway.config(), "recipients": {"H004": [cho()]}});
    let stack = alerting(change).await;
    let (_api, _worker, client) = both(&stack).await;
    send(&client).await;
    let (mails, texts) = (inbox.holds(1).await.unwrap(), gateway.holds(1).await.unwrap());
    let alert = the_alert(&stack).await;
    let body: Value = serde_json::from_str(&texts[0].body).unwrap();
    assert_eq!(body["to"], "+15550102");
    assert_eq!(body["id"], texts[0].id.as_str());
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("critical: self-harm at H004") && text.contains(&alert), "{text}");
    assert!(!text.contains("Quillon"), "{text}");
    assert!(mails[0].message_id.ends_with("@epro.example>"), "{}", mails[0].message_id);
    assert!(!mails[0].message_id.contains(&texts[0].id), "a mail is another notice than a text message");
    let link = link(&stack).await;
    counts(&link, SENT, 2).await;
    // Longer than an escalation, in which nobody is left to be told.
    counts(&link, "SELECT count(*) FROM ops.alert WHERE next_at IS NULL", 1).await;
    assert_eq!((inbox.mails().unwrap().len(), gateway.texts().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_wants_a_form_and_a_secret_header_gets_them() {
    let gateway = SmsGateway::start().await.unwrap();
    let mut sms = gateway.config();
    let file = std::env::temp_dir().join(format!("epro-sms-{}", uuid()));
    std::fs::write(&file, "Basic s3cret\n").unwrap();
    sms["content"] = json!("form");
    sms["body"] = json!("To={to}&From=%2B15550100&Body={text}");
    sms["header_files"] = json!({"Authorization": file});
    let stack = alerting(json!({"sms": sms, "recipients": {"H004": [cho()]}})).await;
    let (_api, worker, client) = both(&stack).await;
    send(&client).await;
    let text = gateway.holds(1).await.unwrap().remove(0);
    assert!(text.headers.contains("authorization: Basic s3cret"), "{}", text.headers);
    assert!(
        text.body.starts_with("To=%2B15550102&From=%2B15550100&Body=critical%3A+self-harm"),
        "{}",
        text.body
    );
    assert!(!worker.output().contains("s3cret"));
    std::fs::remove_file(file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_dead_stops_no_other_and_is_told_once_when_it_is_back() {
    let (inbox, gateway) = (Inbox::start().await.unwrap(), SmsGateway::start().await.unwrap());
    let change = json!({"smtp": inbox.config(), "sms": gateway.config(), "recipients": {"H004": [cho()]}});
    let stack = alerting(change).await;
    let (_api, worker, client) = both(&stack).await;
    for mode in ["refuse", "later", "slow 30"] {
        inbox.mode(mode).unwrap();
        send(&client).await;
    }
    assert_eq!(gateway.holds(3).await.unwrap().len(), 3);
    let link = link(&stack).await;
    counts(&link, "SELECT count(*) FROM ops.notice WHERE tries > 1 AND state <> 'sent'", 3).await;
    assert!(inbox.mails().unwrap().is_empty());
    inbox.mode("ok").unwrap();
    inbox.holds(3).await.unwrap();
    counts(&link, SENT, 6).await;
    assert_eq!((inbox.mails().unwrap().len(), gateway.texts().len()), (3, 3));
    assert!(!worker.output().contains("cho@h004.example"), "{}", worker.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_channels_dead_the_alert_stays_undone_and_the_doctor_fails_then_each_is_told_once() {
    let (inbox, gateway) = (Inbox::start().await.unwrap(), SmsGateway::start().await.unwrap());
    let second = json!({"name": "dr-poe", "email": "poe@h004.example"});
    let people = json!({"H001": [lee()], "H002": [lee()], "H003": [lee()], "H004": [cho(), second]});
    let operators = json!([{"name": "ann", "email": "ann@epro.example"}]);
    let change = json!({"smtp": inbox.config(), "sms": gateway.config(), "recipients": people,
                        "operators": operators, "escalation": "30s",
                        "system": {"oldest_alert": "24h"}});
    let stack = alerting(change).await;
    let (_api, worker, client) = both(&stack).await;
    let (code, said, _) = stack.epro_status(&["doctor"]).await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    inbox.down().await.unwrap();
    gateway.down().await;
    send(&client).await;
    let link = link(&stack).await;
    // Both levels are reached: three notices, each tried again and again.
    counts(&link, "SELECT count(*) FROM ops.notice WHERE tries > 3 AND state <> 'sent'", 3).await;
    assert_eq!(link.count(UNDONE).await.unwrap(), 1);
    until("the gauge to show it", BOUND, || async {
        let metrics = worker.metrics().await?;
        Ok(metrics.contains("epro_alerts_undone{site=\"H004\"} 1").then_some(()))
    })
    .await
    .unwrap();
    let (code, said, _) = stack.epro_status(&["doctor", "--json"]).await.unwrap();
    assert_eq!(code, Some(1));
    for word in ["nobody was told of", "the mail server", "the gateway"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    inbox.up().await.unwrap();
    gateway.up().await.unwrap();
    counts(&link, SENT, 3).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE next_at IS NULL", 1).await;
    let to = |who: &str| inbox.mails().unwrap().iter().filter(|mail| mail.to == [who]).count();
    assert_eq!((to("cho@h004.example"), to("poe@h004.example"), gateway.texts().len()), (1, 1, 1));
    assert_eq!(link.count(UNDONE).await.unwrap(), 1, "still to be acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_gateway_and_mail_server_are_given_up_in_time_and_tried_again() {
    let (inbox, gateway) = (Inbox::start().await.unwrap(), SmsGateway::start().await.unwrap());
    let change = json!({"smtp": inbox.config(), "sms": gateway.config(), "recipients": {"H004": [cho()]}});
    let stack = alerting(change).await;
    let (_api, worker, client) = both(&stack).await;
    gateway.behave(Manner::Silent);
    inbox.mode("slow 30").unwrap();
    send(&client).await;
    let link = link(&stack).await;
    counts(&link, FAILED, 2).await;
    says(&worker, "no end after 2 s").await;
    gateway.behave(Manner::Answers(503));
    inbox.mode("ok").unwrap();
    inbox.holds(1).await.unwrap();
    gateway.behave(Manner::Takes);
    gateway.holds(1).await.unwrap();
    counts(&link, SENT, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_without_anybody_to_tell_is_an_error_line_and_told_once_somebody_is_configured() {
    let inbox = Inbox::start().await.unwrap();
    let stack = alerting(json!({"smtp": inbox.config(), "recipients": {}})).await;
    let (_api, worker, client) = both(&stack).await;
    send(&client).await;
    says(&worker, "an alert has nobody to be told").await;
    let metrics = worker.metrics().await.unwrap();
    assert!(metrics.contains("epro_alerts_unaddressed_total{site=\"H004\"}"), "{metrics}");
    let _next = crate::support::another_worker(&stack, "addressed", |config| {
        config["alerts"]["recipients"] = json!({"H004": [lee()]});
    });
    inbox.holds(1).await.unwrap();
}

/// A certificate for 127.0.0.1 that signs itself, made by openssl, in a folder.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("inbox.pem"), folder.join("inbox.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=inbox", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .args([&key, Path::new("-out"), &certificate])
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

fn uuid() -> String {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().to_string()
}

/// One mail through a server that is secured so.
async fn over_tls(tls: &'static str) {
    let folder = std::env::temp_dir().join(format!("epro-tls-{tls}-{}", uuid()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = certificate(&folder);
    let login = Some("relay:s3cret".to_owned());
    let inbox = Inbox::secured(Secured { tls, certificate: certificate.clone(), key, login }).await.unwrap();
    let mut smtp = inbox.config();
    smtp["tls"] = json!(tls);
    smtp["ca_file"] = json!(certificate);
    smtp["user"] = json!("relay");
    smtp["password"] = json!("s3cret");
    let stack = alerting(json!({"smtp": smtp})).await;
    let (_api, worker, client) = both(&stack).await;
    send(&client).await;
    let mails = inbox.holds(1).await;
    let mail = mails.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.output())).remove(0);
    assert!(mail.secured);
    assert_eq!(mail.login.as_deref(), Some("relay"));
    assert!(!worker.output().contains("s3cret"));
    let shown = stack.epro(&["config", "check"]).await.unwrap();
    assert!(!shown.contains("s3cret"), "{shown}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_out_after_starttls_with_a_login_under_a_private_authority() {
    over_tls("starttls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_out_over_implicit_tls_with_a_login_under_a_private_authority() {
    over_tls("implicit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_with_a_strangers_certificate_gets_nothing() {
    let folder = std::env::temp_dir().join(format!("epro-tls-stranger-{}", uuid()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = certificate(&folder);
    let inbox = Inbox::secured(Secured { tls: "implicit", certificate, key, login: None }).await.unwrap();
    let mut smtp = inbox.config();
    smtp["tls"] = json!("implicit");
    let stack = alerting(json!({"smtp": smtp})).await;
    let (_api, worker, client) = both(&stack).await;
    send(&client).await;
    let link = link(&stack).await;
    counts(&link, "SELECT count(*) FROM ops.notice WHERE tries > 1 AND state <> 'sent'", 1).await;
    assert!(inbox.mails().unwrap().is_empty());
    says(&worker, "a notice could not be sent").await;
    std::fs::remove_dir_all(folder).unwrap();
}
