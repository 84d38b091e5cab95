//! Whose token names studies or sites sees and touches what belongs to these.

use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::database::Link;
use epro_proving::{Service, Stack, until};
use serde_json::{Value, json};

use super::visitor::Visitor;

const BOUND: Duration = Duration::from_secs(60);
const WHY: (&str, &str) = ("reason", "a look");
/// Of which only the first is known to be of ONC-301 at H001.
const LETTERS: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, study_id, site_id, body, wrapped, \
    headers, times) \
SELECT 'dead', 'epro.submissions.routine', gen_random_uuid(), sha256('x'), 'unreadable', study, site, \
    'nothing is sealed', false, '{}', 1 \
FROM (VALUES ('ONC-301', 'H001'), ('PAIN-7', 'H001'), (NULL, 'H001'), ('ONC-301', 'H002'), ('ONC-301', NULL)) \
    AS places (study, site)";

/// Somebody with all roles whose token has these claims, too.
async fn with(stack: &Stack, console: &Service, who: &str, claims: Value) -> Visitor {
    let mut all = json!({"sub": who, "scope": "console:operator console:steward"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    Visitor::with_token(console, &stack.minter().token(&all).unwrap()).await
}

/// Until the trail has so many refusals of an act of somebody's.
async fn refused(link: &Link, who: &str, action: &str, count: i64) {
    let rows = format!(
        "SELECT coalesce(sum((details ->> 'count')::bigint), 0)::bigint FROM audit.event
         WHERE action = '{action}' AND outcome = 'refused' AND actor = 'operator:{who}'
         AND details ->> 'why' = 'of no study or site of the token'"
    );
    until(&format!("{action} of {who}, refused"), BOUND, || async {
        Ok((link.count(&rows).await? == count).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_bound_to_a_study_and_a_site_reveals_redrives_and_discards_nothing_of_others() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(LETTERS).await.unwrap();
    let ann = with(&stack, &console, "ann", json!({})).await;
    let sam = with(&stack, &console, "sam", json!({"study": ["ONC-301"], "site": "H001"})).await;
    let nil = with(&stack, &console, "nil", json!({"study": []})).await;
    for id in 2..=5 {
        let at = format!("/dead-letters/{id}");
        assert_eq!(sam.get(&at).await.status, 404, "{id}");
        for act in ["reveal", "discard"] {
            assert_eq!(sam.post(&format!("{at}/{act}"), &[WHY]).await.status, 403, "{act} {id}");
        }
        let named = id.to_string();
        assert_eq!(sam.post("/redrives", &[("id", named.as_str()), WHY]).await.status, 403, "{id}");
    }
    assert_eq!(sam.post("/redrives", &[("study", "PAIN-7"), WHY]).await.status, 403);
    assert_eq!(nil.post("/dead-letters/1/reveal", &[WHY]).await.status, 403, "a claim that names none");
    let revealed =
        "SELECT count(*) FROM audit.event WHERE action = 'dead_letter.revealed' AND outcome = 'ok'";
    assert_eq!(link.count(revealed).await.unwrap(), 0);
    refused(&link, "sam", "dead_letter.revealed", 4).await;
    refused(&link, "sam", "dead_letter.discarded", 4).await;
    refused(&link, "sam", "redrive.created", 5).await;
    refused(&link, "nil", "dead_letter.revealed", 1).await;

    let list = sam.get("/dead-letters").await.body;
    assert!(list.contains("<strong>1</strong> found") && list.contains("study ONC-301; site H001"), "{list}");
    assert!(ann.get("/dead-letters").await.body.contains("<strong>5</strong> found"));
    for somebody in [&sam, &ann] {
        let own = somebody.post("/dead-letters/1/reveal", &[WHY]).await;
        assert!(own.status == 200 && own.body.contains("nothing is sealed"), "{}", own.body);
    }
    assert_eq!(ann.post("/dead-letters/3/reveal", &[WHY]).await.status, 200, "nothing binds her");
    let dry = sam.post("/redrives", &[("dry_run", "1")]).await.body;
    assert!(dry.contains("<strong>1</strong> would go back"), "{dry}");
    assert_eq!(sam.post("/redrives", &[("all", "1"), WHY]).await.header("location"), "/redrives/1");
    let made = ann.post("/redrives", &[("all", "1"), ("rate", "1"), WHY]).await;
    assert_eq!(made.header("location"), "/redrives/2", "{}", made.body);
    for act in ["cancel", "resume"] {
        assert_eq!(sam.post(&format!("/redrives/2/{act}"), &[WHY]).await.status, 403, "{act}");
    }
    assert_eq!(sam.post("/redrives/1/cancel", &[WHY]).await.status, 303);
    let taken = "SELECT count(*) FROM ops.redrive_item WHERE redrive_id = 1";
    assert_eq!(link.count(taken).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_bound_to_a_study_sees_no_alert_no_trace_and_no_row_of_the_trail_of_another() {
    let stack = Stack::new().await.unwrap();
    let (api, _worker, console) =
        (stack.api().await.unwrap(), stack.worker().await.unwrap(), stack.console().await.unwrap());
    let link = stack.database().connect().await.unwrap();
    for study in ["ONC-301", "PAIN-7"] {
        let mut dangerous = phq9(study, "H001");
        dangerous["answers"]["44260-8"] = 2.into();
        let sent = stack.client(&api).unwrap().submit("P-1", &dangerous).await.unwrap();
        assert_eq!(sent.status, 202, "{}", sent.body);
    }
    let stored = "SELECT (SELECT count(*) FROM ops.alert) + (SELECT count(*) FROM identified.submission)";
    until("both to be stored", BOUND, || async { Ok((link.count(stored).await? == 4).then_some(())) })
        .await
        .unwrap();
    let of = "SELECT alert_id::text, submission_id::text FROM ops.alert WHERE study_id = $1";
    let of = async |study: &str| {
        let row = link.client.query_one(of, &[&study]).await.unwrap();
        (row.get::<_, String>(0), row.get::<_, String>(1))
    };
    let ((own, own_submission), (other, others_submission)) = (of("ONC-301").await, of("PAIN-7").await);
    let ann = with(&stack, &console, "ann", json!({})).await;
    let sam = with(&stack, &console, "sam", json!({"study": "ONC-301"})).await;
    until("the alerts to be seen", BOUND, || async {
        Ok(ann.get("/alerts").await.body.contains(&other).then_some(()))
    })
    .await
    .unwrap();

    for path in ["/alerts", "/alerts?all=1"] {
        let page = sam.get(path).await.body;
        assert!(page.contains(&own) && !page.contains(&other), "{path}: {page}");
    }
    assert!(sam.get("/alerts").await.body.contains("<strong>1</strong> not done"));
    assert!(!sam.listen("/live/alerts").await.contains(&other));
    for (alert, status) in [(&own, 200), (&other, 404)] {
        assert_eq!(sam.get(&format!("/alerts/{alert}")).await.status, status);
    }
    for (submission, is_shown) in [(&own_submission, true), (&others_submission, false)] {
        for page in ["/submissions?id=", "/audit?submission="] {
            let path = format!("{page}{submission}");
            assert_eq!(sam.get(&path).await.body.contains("submission.stored"), is_shown, "{path}");
            assert!(ann.get(&path).await.body.contains("submission.stored"), "{path}");
        }
    }
    assert_eq!(sam.post(&format!("/alerts/{other}/close"), &[WHY]).await.status, 403);
    refused(&link, "sam", "alert.closed", 1).await;
    assert_eq!(sam.post(&format!("/alerts/{own}/close"), &[WHY]).await.status, 303);
    let open = "SELECT count(*) FROM ops.alert WHERE state <> 'done' AND study_id = 'PAIN-7'";
    assert_eq!(link.count(open).await.unwrap(), 1);
}
