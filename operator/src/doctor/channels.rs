//! Whether the ways to people are there: the mail server, the gateway, and somebody at every site.

use std::time::Duration;

use epro_process::config::{Config, Lane, SmsConfig, SmtpConfig, SmtpTls};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::Finding;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let alerts = &config.alerts;
    if !config.worker.lanes.contains(&Lane::Alerts) {
        return vec![Finding::new(
            "worker.lanes leaves out alerts",
            "nobody is told of dangerous answers by workers of this configuration",
            "add alerts to worker.lanes, unless other workers have it",
        )];
    }
    let mut findings = Vec::new();
    let nobody = |site: &&String| alerts.recipients.get(*site).is_none_or(Vec::is_empty);
    let unaddressed: Vec<&str> = config.sites.keys().filter(nobody).map(String::as_str).collect();
    if !unaddressed.is_empty() {
        findings.push(Finding::new(
            format!("sites without anybody to tell: {}", unaddressed.join(", ")),
            "their dangerous answers are told to the operators, if there are any",
            "alerts.recipients of the configuration",
        ));
    }
    if alerts.operators.is_empty() {
        findings.push(Finding::new(
            "no operators are configured",
            "nobody is told of trouble with the relay itself",
            "alerts.operators of the configuration",
        ));
    }
    if let Some(smtp) = &alerts.smtp
        && let Err(why) = greeted(smtp).await
    {
        findings.push(unreachable(&format!("the mail server {}:{} {why}", smtp.host, smtp.port)));
    }
    if let Some(sms) = &alerts.sms
        && let Err(why) = connected(sms).await
    {
        findings.push(unreachable(&format!("the gateway for text messages {why}")));
    }
    findings
}

fn unreachable(finding: &str) -> Finding {
    Finding::new(
        finding,
        "notices go by the other channel, if there is one, and are tried again by this one",
        "bring it back, or correct alerts.smtp or alerts.sms; notices go out by themselves",
    )
}

/// A mail server greets first, unless it waits for TLS.
async fn greeted(smtp: &SmtpConfig) -> Result<(), String> {
    let greeting = async {
        let mut stream = connect(&smtp.host, smtp.port).await?;
        if smtp.tls == SmtpTls::Implicit {
            return Ok(());
        }
        let mut start = [0; 3];
        stream.read_exact(&mut start).await.map_err(|_| "does not greet".to_owned())?;
        if &start == b"220" { Ok(()) } else { Err("takes no mail now".to_owned()) }
    };
    within(smtp.timeout, greeting).await
}

/// No request is made: it could send something.
async fn connected(sms: &SmsConfig) -> Result<(), String> {
    let url = reqwest::Url::parse(sms.url.expose_secret()).map_err(|_| "has no address".to_owned())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    within(sms.timeout, async { connect(&host, port).await.map(drop) }).await
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port)).await.map_err(|error| format!("can't be reached: {}", error.kind()))
}

async fn within(bound: Duration, check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::timeout(bound, check).await.unwrap_or_else(|_| Err("doesn't answer".to_owned()))
}
