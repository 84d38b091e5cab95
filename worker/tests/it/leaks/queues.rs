//! What whoever browses the queues without the key sees: the metadata that docs/SECURITY.md lists, and of no body a word.

use std::collections::BTreeSet;

use epro_proving::client::phq9;
use epro_proving::sealed::Keys;

use super::*;
use crate::support::{DEFERRED, dangerous, lie};

const SECURITY: &str = include_str!("../../../../docs/SECURITY.md");
const RISK: &str = "epro.risk";
const EXPORTS: &str = "epro.exports";
const QUERY: &str = "epro.query.H001";
const GIVEN_UP: &str = "epro.dead";
const PATIENT: &str = "P-Quillon-0007";
const KINDS: [&str; 9] = [
    SUBMISSION,
    "epro.alert.v1",
    "epro.delivery.v1",
    "epro.risk.v1",
    "epro.acknowledgement.v1",
    "epro.audit.v1",
    "epro.report.v1",
    "epro.export.v1",
    "epro.export-cancel.v1",
];
/// Properties that a message may have, and none of ours has.
const WITHOUT: [&str; 7] =
    ["content_type", "content_encoding", "correlation_id", "reply_to", "user_id", "app_id", "cluster_id"];

/// The headers of ours that the document lists.
fn listed() -> BTreeSet<&'static str> {
    let rows = SECURITY.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(name, _)| name).filter(|name| name.starts_with("epro-") || *name == "traceparent").collect()
}

/// What lay in some queue.
struct Seen(Vec<(String, Letter)>);

impl Seen {
    async fn look(&mut self, hand: &Hand, queue: &str, least: usize) {
        let letters = hand.lying(queue).await.unwrap();
        assert!(letters.len() >= least, "{} in {queue}", letters.len());
        self.0.extend(letters.into_iter().map(|letter| (queue.to_owned(), letter)));
    }

    fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.0.iter().map(|(_, letter)| letter)
    }

    /// Every body as it lay there, and what is written on its message.
    fn places(&self) -> (Places, Places) {
        let (mut bodies, mut around) = (Places::default(), Places::default());
        for (queue, letter) in &self.0 {
            bodies.add(format!("{queue}, body"), letter.body.clone());
            let written =
                format!("{:?} {} {:?} {}", letter.id, letter.key, letter.headers, letter.properties);
            around.add(format!("{queue}, around"), written);
        }
        (bodies, around)
    }

    /// What all of them say, each opened as its own type and under its own id.
    fn said(&self, keys: &Keys) -> Places {
        let mut said = Places::default();
        for (queue, letter) in &self.0 {
            assert_eq!(letter.body[..4], *b"\x01\x02k1", "{queue}");
            let kind = letter.kind.as_deref().unwrap();
            said.add(kind, keys.open(kind, letter.try_into().unwrap(), &letter.body).unwrap());
        }
        said
    }
}

/// Asks the door for one message of each kind that it publishes, but an acknowledgement; the ids of the submissions.
async fn ask_for_all(stack: &Stack, door: &epro_proving::Service) -> Vec<String> {
    let (client, minter) = (stack.client(door).unwrap(), stack.minter());
    let (mut danger, calm) = (dangerous(), phq9(STUDY, SITE));
    danger["site_id"] = json!(SITE);
    let mut early = amendment(&phq9(STUDY, SITE), "its base is still on its way");
    early["site_id"] = json!(SITE);
    for submission in [&danger, &calm, &early] {
        assert_eq!(client.submit(PATIENT, submission).await.unwrap().status, 202);
    }
    let nurse = minter.reporter("nurse", &[STUDY], &[SITE]).unwrap();
    let asked = json!({"study_id": STUDY, "site_id": SITE, "subject_id": PATIENT, "within_seconds": 20});
    assert_eq!(client.report(&nurse, &asked, None).await.unwrap().status, 202);
    let claims = json!({"sub": "ana", "scope": "export", "study": STUDY, "site": SITE});
    let ana = minter.token(&claims).unwrap();
    let (from, to) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let asked = json!({"site_id": SITE, "from": from, "to": to, "format": "csv"});
    let export = client.post("/api/v1/exports", &ana, asked.to_string().into_bytes()).await.unwrap();
    let place = format!("{}{}", door.url(), export.header("location").unwrap());
    let http = epro_proving::http::client(BOUND).unwrap();
    assert_eq!(http.delete(place).bearer_auth(&ana).send().await.unwrap().status().as_u16(), 202);
    // What is refused is noted.
    assert_eq!(client.post("/api/v1/epro/submit", "nonsense", Vec::new()).await.unwrap().status, 401);
    [&danger, &calm, &early].map(|submission| id(submission).to_owned()).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_browser_without_the_key_sees_the_metadata_that_is_listed_and_of_no_body_a_word() {
    let stack = with(json!({
        "worker": {"lanes": ["submissions"]},
        "studies": {STUDY: {"risk": {"url": "http://127.0.0.1:9/score"}}},
    }))
    .await;
    let (link, hand, door) =
        (link(&stack).await, Hand::on(&stack).await.unwrap(), stack.api().await.unwrap());
    let (mut seen, submissions) = (Seen(Vec::new()), ask_for_all(&stack, &door).await);
    until("the door's note for the audit trail", BOUND, || async {
        Ok((stack.vhost().ready(COMMANDS).await? > 0).then_some(()))
    })
    .await
    .unwrap();
    for (queue, least) in [(URGENT, 1), (ROUTINE, 2), (QUERY, 1), (EXPORTS, 2), (COMMANDS, 1)] {
        seen.look(&hand, queue, least).await;
    }

    // What follows what is stored; one submission waits for its base.
    let mut worker = stack.worker().await.unwrap();
    counts(&link, STORED, 2).await;
    for (queue, count) in [(ALERTS, 1), (HIS, 2), (RISK, 2)] {
        lie(&stack, queue, count).await;
        seen.look(&hand, queue, 1).await;
    }
    let waiting = until("something to wait", BOUND, || async {
        for queue in ["epro.wait.5s", "epro.wait.30s"] {
            let letters = hand.lying(queue).await?;
            if !letters.is_empty() {
                return Ok(Some(letters.into_iter().map(move |letter| (queue.to_owned(), letter))));
            }
        }
        Ok(None)
    });
    seen.0.extend(waiting.await.unwrap());
    worker.drain(Duration::from_secs(25)).await.unwrap();
    lie(&stack, DEFERRED, 1).await;
    seen.look(&hand, DEFERRED, 1).await;
    let alert = link.client.query_one("SELECT alert_id::text FROM ops.alert", &[]).await.unwrap();
    let alert: String = alert.get(0);
    let lee = stack.minter().investigator("dr-lee", &[STUDY], &[SITE]).unwrap();
    let place = format!("/api/v1/alerts/{alert}/acknowledge");
    let client = stack.client(&door).unwrap();
    assert_eq!(client.post(&place, &lee, Vec::new()).await.unwrap().status, 202);
    seen.look(&hand, COMMANDS, 2).await;
    // As the broker sets aside what it gave up on.
    let given_up = hand.lying(ALERTS).await.unwrap().remove(0).through(GIVEN_UP);
    hand.publish(&given_up).await.unwrap();
    seen.look(&hand, GIVEN_UP, 1).await;

    let kinds: BTreeSet<&str> = seen.letters().filter_map(|letter| letter.kind.as_deref()).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    let names = seen.letters().flat_map(|letter| letter.headers.keys().map(String::as_str));
    let names: BTreeSet<&str> = names.filter(|name| !name.starts_with("x-")).collect();
    let mut listed = listed();
    assert!(listed.remove("epro-attempt"), "none of these was charged a try");
    assert_eq!(names, listed, "docs/SECURITY.md has the headers that may be read");
    for (queue, letter) in &seen.0 {
        let signals = letter.headers.contains_key("epro-signals");
        assert!(!signals || letter.kind.as_deref() == Some(SUBMISSION), "{queue}: {letter:?}");
        assert_eq!(letter.headers["epro-key"], "k1", "{queue}");
        for name in WITHOUT {
            assert!(letter.properties.contains(&format!("{name}: None")), "{queue}, {name}: {letter:?}");
        }
    }

    let ((bodies, around), said) = (seen.places(), seen.said(hand.keys()));
    let pseudonym = hand.keys().pseudonym(STUDY, PATIENT).to_string();
    for known in submissions.iter().chain([&pseudonym, &alert]).map(String::as_str).chain([PATIENT]) {
        assert!(!said.with(known).is_empty(), "the search can find {known}");
        for places in [&bodies, &around] {
            assert_eq!(places.found("in the clear", known), None, "{known}");
        }
        let bytes = known.parse::<Uuid>().map_or(Vec::new(), |id| id.as_bytes().to_vec());
        let holds = |letter: &Letter| !bytes.is_empty() && letter.body.windows(16).any(|some| some == bytes);
        assert!(!seen.letters().any(holds), "{known}, as bytes");
    }
    // What the door found stands in a header, and nowhere else.
    for word in ["self-harm", "critical", STUDY, SITE] {
        assert!(!said.with(word).is_empty(), "the search can find {word}");
        let holds = |letter: &Letter| letter.body.windows(word.len()).any(|some| some == word.as_bytes());
        assert!(!seen.letters().any(holds), "{word}");
    }
}
