//! Who is signed in: a signed cookie, and nothing kept here but what was signed out.
//!
//! The key is made when the process starts: a restart signs everybody out, and so does an issuer that withdraws a key:
//! nobody knows whose token was signed with it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use aws_lc_rs::rand::SystemRandom;
use epro_process::auth::Caller;
use epro_store::Bound;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

/// The longest value of a cookie that every browser keeps, in bytes.
const LONGEST: usize = 3_800;
/// The longest that anybody stays signed in, in seconds; never longer than the token.
const LIFE: i64 = 3600;

/// Somebody who is signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The token's `sub`.
    pub who: String,
    /// Whether they may pause, redrive, close and discard.
    pub operates: bool,
    /// Whether they may see what a patient said, with a reason.
    pub reveals: bool,
    /// Of which studies and sites: of all that the token doesn't name, of none where it names none.
    pub bound: Bound,
    /// Unix seconds.
    pub until: i64,
    id: Uuid,
    /// Which of those that end together it is one of: part of what is signed.
    #[serde(skip)]
    generation: u64,
}

/// Makes and verifies cookies.
pub(crate) struct Sessions {
    key: Key,
    secure: bool,
    /// The one that is believed.
    generation: watch::Sender<u64>,
    /// Signed out before their time.
    ended: Mutex<HashMap<Uuid, i64>>,
}

impl Session {
    /// For somebody whose token was believed in that generation.
    pub(crate) fn of(caller: &Caller, generation: u64) -> Self {
        let token = caller.until as i64;
        Self {
            who: caller.sub.expose().clone(),
            operates: caller.may_operate,
            reveals: caller.may_reveal,
            bound: Bound {
                studies: caller.names_studies.then(|| caller.studies.clone()),
                sites: caller.names_sites.then(|| caller.sites.clone()),
            },
            until: token.min(now() + LIFE),
            id: Uuid::now_v7(),
            generation,
        }
    }
}

impl Sessions {
    /// With a key of its own. `secure`: browsers come by https.
    pub(crate) fn new(secure: bool) -> anyhow::Result<Self> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).ok().context("no randomness")?;
        Ok(Self { key, secure, generation: watch::Sender::new(0), ended: Mutex::default() })
    }

    /// That of now. Whoever signs in takes it before their token is looked at: a key that is withdrawn meanwhile ends
    /// theirs, too.
    pub(crate) fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Ends all of them.
    pub(crate) fn end_all(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Waits until a session has ended with all others.
    pub(crate) fn all_ended(&self, session: &Session) -> impl Future<Output = ()> + Send + use<> {
        let (mut now, of) = (self.generation.subscribe(), session.generation);
        async move {
            // An error says that nobody can end them any more: the process is leaving.
            let _ = now.wait_for(|now| *now != of).await;
        }
    }

    /// The `Set-Cookie` that signs somebody in.
    pub(crate) fn cookie(&self, session: &Session) -> anyhow::Result<String> {
        let claims = serde_json::to_vec(session)?;
        let mac = sign(&self.key, &in_its(session.generation, &claims));
        let value = format!("{}.{}", hex(&claims), hex(mac.as_ref()));
        anyhow::ensure!(value.len() <= LONGEST, "the token names more studies and sites than a cookie holds");
        Ok(self.written(&value, session.until - now()))
    }

    /// The `Set-Cookie` that signs them out; the cookie is believed no more, wherever it is.
    pub(crate) fn end(&self, session: &Session) -> String {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        ended.retain(|_, until| *until > now);
        ended.insert(session.id, session.until);
        self.written("", 0)
    }

    /// Who is signed in, by the `Cookie` header.
    pub(crate) fn read(&self, cookies: &str) -> Option<Session> {
        let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == self.name())?;
        let (claims, mac) = value.split_once('.')?;
        let claims = unhex(claims)?;
        let generation = self.generation();
        verify(&self.key, &in_its(generation, &claims), &unhex(mac)?).ok()?;
        let session: Session = serde_json::from_slice(&claims).ok()?;
        let session = Session { generation, ..session };
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        (session.until > now() && !ended.contains_key(&session.id)).then_some(session)
    }

    /// What every form of this session has to carry.
    pub(crate) fn form_token(&self, session: &Session) -> String {
        hex(sign(&self.key, &form_of(session)).as_ref())
    }

    /// Whether a form of this session carried it.
    pub(crate) fn is_form_token(&self, session: &Session, token: &str) -> bool {
        unhex(token).is_some_and(|token| verify(&self.key, &form_of(session), &token).is_ok())
    }

    fn written(&self, value: &str, life: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life}{secure}", self.name())
    }

    fn name(&self) -> &'static str {
        if self.secure { "__Host-epro" } else { "epro" }
    }
}

fn form_of(session: &Session) -> Vec<u8> {
    in_its(session.generation, &[b"form ", session.id.as_bytes().as_slice()].concat())
}

/// What is signed in a generation.
fn in_its(generation: u64, text: &[u8]) -> Vec<u8> {
    [generation.to_be_bytes().as_slice(), text].concat()
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// Bytes as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() % 2 == 1 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            who: "ann".into(),
            operates: true,
            reveals: false,
            bound: Bound::default(),
            until: now() + 60,
            id: Uuid::now_v7(),
            generation: 0,
        }
    }

    fn value(cookie: &str) -> &str {
        cookie.split(';').next().unwrap()
    }

    #[test]
    fn a_cookie_is_believed_until_its_end_its_sign_out_or_a_change() {
        let (sessions, session) = (Sessions::new(false).unwrap(), session());
        let cookie = sessions.cookie(&session).unwrap();
        let cookie = format!("other=1; {}", value(&cookie));
        assert_eq!(sessions.read(&cookie).unwrap().who, "ann");
        assert!(Sessions::new(false).unwrap().read(&cookie).is_none(), "another process's");
        let more = cookie.replacen("epro=7b", "epro=7c", 1);
        assert!(sessions.read(&more).is_none());
        let late = Session { until: now() - 1, ..session.clone() };
        assert!(sessions.read(value(&sessions.cookie(&late).unwrap())).is_none());
        sessions.end(&session);
        assert!(sessions.read(&cookie).is_none(), "signed out");
    }

    #[tokio::test]
    async fn a_session_that_ended_with_all_others_is_believed_no_more_nor_one_that_was_on_its_way() {
        let (sessions, session) = (Sessions::new(false).unwrap(), session());
        let cookie = sessions.cookie(&session).unwrap();
        let kept = sessions.read(value(&cookie)).unwrap();
        let ended = sessions.all_ended(&kept);
        sessions.end_all();
        ended.await;
        assert!(sessions.read(value(&cookie)).is_none());
        let late = sessions.cookie(&session).unwrap();
        assert!(sessions.read(value(&late)).is_none(), "its token was looked at before");
        let anew = Session { generation: sessions.generation(), ..session };
        let anew = sessions.read(value(&sessions.cookie(&anew).unwrap())).unwrap();
        assert!(sessions.is_form_token(&anew, &sessions.form_token(&anew)));
        assert!(!sessions.is_form_token(&anew, &sessions.form_token(&kept)), "of a page before that");
    }

    #[test]
    fn what_a_token_is_bound_to_is_kept_and_more_than_a_cookie_holds_is_refused() {
        let sessions = Sessions::new(false).unwrap();
        let of = |count: usize| {
            let studies = Some((0..count).map(|n| format!("ONC-{n}")).collect());
            Session { bound: Bound { studies, sites: Some(Vec::new()) }, ..session() }
        };
        let kept = sessions.read(value(&sessions.cookie(&of(100)).unwrap())).unwrap();
        assert_eq!(kept.bound, of(100).bound);
        assert!(sessions.cookie(&of(300)).is_err());
    }

    #[test]
    fn a_form_of_one_session_is_no_form_of_another() {
        let sessions = Sessions::new(true).unwrap();
        let (one, other) = (session(), session());
        let token = sessions.form_token(&one);
        assert!(sessions.is_form_token(&one, &token));
        assert!(!sessions.is_form_token(&other, &token) && !sessions.is_form_token(&one, ""));
        assert!(sessions.cookie(&one).unwrap().ends_with("; Secure"));
    }
}
