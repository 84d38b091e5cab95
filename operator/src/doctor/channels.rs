//! Whether the ways to people are there: the mail server, the gateway, and somebody at every site; and until when
//! their certificates can be used.

use std::time::Duration;

use epro_process::config::{Config, Lane, SmsConfig, SmtpConfig, SmtpTls, TlsConfig};
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Finding, certificates};

/// The longest answer of a mail server that is read.
const ANSWER: u64 = 16 * 1024;

/// Until when its certificate is valid, if it shows one; or why nothing can be sent through it.
type Found = Result<Option<OffsetDateTime>, String>;

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
    if let Some(smtp) = &alerts.smtp {
        let greeted = within(smtp.timeout, greeted(smtp)).await;
        findings.extend(judged(&format!("the mail server {}:{}", smtp.host, smtp.port), greeted));
    }
    if let Some(sms) = &alerts.sms {
        let connected = within(sms.timeout, connected(sms)).await;
        findings.extend(judged("the gateway for text messages", connected));
    }
    findings
}

fn judged(channel: &str, found: Found) -> Option<Finding> {
    match found {
        Ok(until) => certificates::shown(channel, until?),
        Err(why) => Some(Finding::new(
            format!("{channel} {why}"),
            "notices go by the other channel, if there is one, and are tried again by this one",
            "bring it back, or correct alerts.smtp or alerts.sms; notices go out by themselves",
        )),
    }
}

/// As far as the mail server can be asked without handing over a mail.
async fn greeted(smtp: &SmtpConfig) -> Found {
    let tls = TlsConfig { ca_file: smtp.ca_file.clone(), ..TlsConfig::default() };
    let stream = connect(&smtp.host, smtp.port).await?;
    if smtp.tls == SmtpTls::Implicit {
        return certificates::greeted(stream, &smtp.host, &tls).await;
    }
    let mut stream = BufReader::new(stream);
    if code(&mut stream).await.ok_or("does not greet")? != "220" {
        return Err("takes no mail now".to_owned());
    }
    if smtp.tls == SmtpTls::None {
        return Ok(None);
    }
    for (command, expected) in [("EHLO [127.0.0.1]", "250"), ("STARTTLS", "220")] {
        let said = stream.write_all(format!("{command}\r\n").as_bytes()).await.is_ok();
        if !said || code(&mut stream).await.as_deref() != Some(expected) {
            return Err("does not begin TLS".to_owned());
        }
    }
    certificates::greeted(stream.into_inner(), &smtp.host, &tls).await
}

/// The code of an answer, which may have several lines.
async fn code(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut answer = stream.take(ANSWER);
    loop {
        let mut line = String::new();
        answer.read_line(&mut line).await.ok()?;
        match line.as_bytes() {
            [_, _, _, b'-', ..] => {}
            [_, _, _, ..] => return line.get(..3).map(str::to_owned),
            _ => return None,
        }
    }
}

/// No request is made: it could send something.
async fn connected(sms: &SmsConfig) -> Found {
    let url = reqwest::Url::parse(sms.url.expose_secret()).map_err(|_| "has no address".to_owned())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let stream = connect(&host, url.port_or_known_default().unwrap_or(443)).await?;
    if url.scheme() != "https" {
        return Ok(None);
    }
    let tls = TlsConfig { ca_file: sms.ca_file.clone(), ..TlsConfig::default() };
    certificates::greeted(stream, &host, &tls).await
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port)).await.map_err(|error| format!("can't be reached: {}", error.kind()))
}

async fn within(bound: Duration, look: impl Future<Output = Found>) -> Found {
    tokio::time::timeout(bound, look).await.unwrap_or_else(|_| Err("doesn't answer".to_owned()))
}
