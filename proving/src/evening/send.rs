//! Sending the lines: fresh ids for every run, made on the client.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::macros::offset;
use time::{Duration as Span, OffsetDateTime};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fhir;
use super::line::{Line, Lines, Token};
use super::look::Looker;
use crate::client::{Client, Reply, sha256};
use crate::sample::base64;
use crate::token::Minter;

/// A line as it went out, and what came back for each copy.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) line: Line,
    pub(super) id: Uuid,
    pub(super) copies: Vec<Copy>,
}

/// One copy of a line.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) bytes: Vec<u8>,
    pub(super) sha256: [u8; 32],
    pub(super) reply: Reply,
    /// When the answer was there, in Unix seconds.
    pub(super) answered: f64,
}

impl Copy {
    /// Whether the door took it: 202, or 201 where FHIR's client waited until it was stored.
    pub(super) fn taken(&self) -> bool {
        matches!(self.reply.status, 201 | 202)
    }
}

/// Ids of a run by the line's name.
type Ids = BTreeMap<String, Uuid>;

pub(super) async fn all(
    lines: &Lines,
    client: &Client,
    looker: &Looker,
    patience: Duration,
) -> Result<Vec<Gone>> {
    let ids: Ids = lines.0.iter().map(|line| (line.name.clone(), Uuid::now_v7())).collect();
    let mut gone: Vec<Gone> = Vec::new();
    let mut rest = lines.0.as_slice();
    while let Some(first) = rest.first() {
        let same = |line: &&Line| first.together.is_some() && line.together == first.together;
        let (group, later) = rest.split_at(rest.iter().take_while(same).count().max(1));
        rest = later;
        if let Some(before) = &first.after {
            let before =
                gone.iter().find(|one| one.line.name == *before).context("sent in the wrong order")?;
            looker.settled(before, patience).await;
        }
        gone.extend(send_together(group, &ids, client).await?);
    }
    Ok(gone)
}

async fn send_together(group: &[Line], ids: &Ids, client: &Client) -> Result<Vec<Gone>> {
    let mut posts = JoinSet::new();
    let mut gone = Vec::new();
    for line in group {
        let id = line.id_of.as_ref().and_then(|of| ids.get(of)).or_else(|| ids.get(&line.name));
        let id = *id.context("a line without an id")?;
        let token = token(line, client.minter())?;
        for copy in 0..line.copies.unwrap_or(1) {
            let bytes = body(line, id, ids, copy)?;
            posts.spawn(post(client.clone(), line.clone(), token.clone(), bytes, (gone.len(), copy)));
        }
        gone.push(Gone { line: line.clone(), id, copies: Vec::new() });
    }
    let mut replies = BTreeMap::new();
    while let Some(done) = posts.join_next().await {
        let (at, copy) = done??;
        replies.insert(at, copy);
    }
    for ((at, _), copy) in replies {
        gone[at].copies.push(copy);
    }
    Ok(gone)
}

type At = (usize, usize);

async fn post(
    client: Client,
    line: Line,
    token: Option<String>,
    bytes: Vec<u8>,
    at: At,
) -> Result<(At, Copy)> {
    let (path, own) =
        if line.fhir { (fhir::CREATE, fhir::TYPE) } else { ("/api/v1/epro/submit", "application/json") };
    let content_type = line.content_type.as_deref().unwrap_or(own);
    let reply = client
        .post_as(path, token.as_deref(), content_type, bytes.clone())
        .await
        .with_context(|| format!("send {}", line.name))?;
    let answered = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    Ok((at, Copy { sha256: sha256(&bytes), bytes, reply, answered }))
}

fn body(line: &Line, id: Uuid, ids: &Ids, copy: usize) -> Result<Vec<u8>> {
    let now = OffsetDateTime::now_utc().to_offset(offset!(+8)).replace_nanosecond(0)?;
    if let Some(body) = &line.body {
        return Ok(body
            .replace("%ID%", &id.to_string())
            .replace("%NOW%", &now.format(&Rfc3339)?)
            .into_bytes());
    }
    let answered = now - ago(line.answered.as_deref().unwrap_or("1h"))?;
    if line.fhir {
        let base = line.amends.as_ref().and_then(|base| ids.get(base)).copied();
        return Ok(serde_json::to_vec(&fhir::resource(line, id, base, &answered.format(&Rfc3339)?)?)?);
    }
    let sent = now + Span::seconds(i64::try_from(copy)?);
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
    put("submission_id", json!(id));
    put("study_id", json!(line.study));
    put("site_id", json!(line.site));
    put("instrument", json!(line.instrument));
    put("answered_at", json!(answered.format(&Rfc3339)?));
    put("sent_at", json!(sent.format(&Rfc3339)?));
    put("answers", line.answers.clone().context("a line without answers")?);
    if line.token == Token::Backend {
        put("subject_id", json!(line.subject));
    }
    if let Some(names) = &line.names {
        put("subject_id", json!(names));
    }
    if let Some(stated) = &line.stated {
        put("stated", stated.clone());
    }
    if let Some(amends) = &line.amends {
        put("amends", json!(ids.get(amends)));
    }
    if let Some(reason) = &line.reason {
        put("reason", json!(reason));
    }
    let mut bytes = serde_json::to_vec(&body)?;
    bytes.resize(bytes.len() + line.pad.unwrap_or(0), b' ');
    Ok(bytes)
}

fn ago(text: &str) -> Result<Span> {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: i64 = number.parse().with_context(|| format!("a time span: {text}"))?;
    ensure!(matches!(unit, "h" | "d"), "a time span in h or d: {text}");
    Ok(if unit == "h" { Span::hours(number) } else { Span::days(number) })
}

fn token(line: &Line, minter: &Minter) -> Result<Option<String>> {
    let claims = json!({"sub": line.subject, "scope": "submit", "study": line.study, "site": line.site});
    let with = |key: &str, value: Value| {
        let mut claims = claims.clone();
        claims[key] = value;
        claims
    };
    let other = if line.site == "H002" { "H003" } else { "H002" };
    Ok(Some(match line.token {
        Token::None => return Ok(None),
        Token::Patient => minter.token(&claims)?,
        Token::Backend => minter.backend("app-backend", &[&line.study], &[&line.site])?,
        Token::WrongKey => minter.forger().token(&claims)?,
        Token::Expired => {
            minter.token(&with("exp", json!(OffsetDateTime::now_utc().unix_timestamp() - 86_400)))?
        }
        Token::OtherSite => minter.token(&with("site", json!(other)))?,
        Token::Unsigned => unsigned(&minter.token(&claims)?)?,
    }))
}

/// The same claims under `{"alg":"none"}` and without a signature.
fn unsigned(token: &str) -> Result<String> {
    let claims = token.split('.').nth(1).context("a token without claims")?;
    let header =
        base64(br#"{"alg":"none","typ":"JWT"}"#).trim_end_matches('=').replace('+', "-").replace('/', "_");
    Ok(format!("{header}.{claims}."))
}
