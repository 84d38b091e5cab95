//! Who may do what, and what is left behind.

use std::time::Duration;

use epro_proving::{Stack, until};

use super::visitor::Visitor;

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_needs_an_operator_a_form_of_ours_and_a_reason_and_is_audited() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let lane = ("what", "submissions.routine");
    let why = ("reason", "the new form");

    let viewer = Visitor::signed_in(&stack, &console, "vic", &["viewer", "steward"]).await;
    let mut operator = Visitor::signed_in(&stack, &console, "ann", &["operator"]).await;
    let token = operator.form_token().await;
    let ours = ("form_token", token.as_str());
    let base = console.url();
    let refused = [
        (403, viewer.post("/pauses/set", &[lane, why]).await, "a viewer"),
        (403, viewer.post_from(&base, "/pauses/set", &[lane, why, ours]).await, "another session's form"),
        (403, operator.post_from(&base, "/pauses/set", &[lane, why]).await, "no form of ours"),
        (
            403,
            operator.post_from("https://evil.example", "/pauses/set", &[lane, why, ours]).await,
            "another site's",
        ),
        (403, operator.post_from("null", "/pauses/set", &[lane, why, ours]).await, "nobody's"),
        (422, operator.post_from(&base, "/pauses/set", &[lane, ours, ("reason", "  ")]).await, "no reason"),
        (422, operator.post_from(&base, "/pauses/set", &[("what", "nothing"), why, ours]).await, "no lane"),
        (405, operator.get("/pauses/set?what=submissions.routine&reason=x").await, "an address"),
    ];
    for (status, answer, what) in refused {
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    assert_eq!(link.count("SELECT count(*) FROM ops.pause").await.unwrap(), 0);

    let paused = operator.post("/pauses/set", &[lane, why]).await;
    assert_eq!((paused.status, paused.header("location")), (303, "/pauses?told=paused"));
    let page = viewer.get("/pauses").await.body;
    assert!(page.contains("the new form") && page.contains("operator:ann"), "{page}");
    assert!(!page.contains("action=\"/pauses/end\""), "a viewer is shown no button");
    operator.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    operator.post("/pauses/end", &[lane, ("reason", "it is there")]).await;
    let audited = |action: &str, reason: &str| {
        format!(
            "SELECT count(*) FROM audit.event WHERE action = '{action}' AND actor = 'operator:ann'
             AND from_network = '127.0.0.0/24' AND details ->> 'reason' = '{reason}'"
        )
    };
    let set = format!("{} AND trace_id ~ '^[0-9a-f]{{32}}$'", audited("pause.set", "the new form"));
    assert_eq!(link.count(&set).await.unwrap(), 1, "in a trace of its own");
    let ended = audited("pause.ended", "it is there");
    let ended = format!("{ended} AND trace_id = '4bf92f3577b34da6a3ce929d0e0e4736'");
    assert_eq!(link.count(&ended).await.unwrap(), 1, "in the trace of the request");
    let untraced = "SELECT count(*) FROM audit.event WHERE action LIKE 'console.%' AND trace_id IS NULL";
    assert_eq!(link.count(untraced).await.unwrap(), 0);
    let trail = viewer.get("/audit?action=pause&actor=ann").await.body;
    assert!(trail.contains("pause.set") && trail.contains("pause.ended"), "{trail}");
}

const MANY: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times)
SELECT 'dead', 'epro.submissions.routine', gen_random_uuid(), sha256('x'),
    (ARRAY['unreadable', 'conflict'])[1 + n % 2], '\\x00', false, '{}', 1 FROM generate_series(1, 40) AS n";

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_is_counted_first_and_each_act_on_it_wants_a_reason_and_is_audited() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(MANY).await.unwrap();
    let viewer = Visitor::signed_in(&stack, &console, "vic", &["viewer"]).await;
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator"]).await;
    let (rate, all) = (("rate", "5"), ("all", "1"));

    let dry = ann.post("/redrives", &[("dry_run", "1"), ("limit", "30")]).await;
    assert_eq!(dry.status, 200, "{}", dry.body);
    assert!(dry.body.contains("<strong>30</strong> would go back"), "{}", dry.body);
    for class in ["unreadable", "conflict"] {
        assert!(dry.body.contains(&format!("<th scope=\"row\">{class}</th>")), "{}", dry.body);
    }
    let redrives = "SELECT count(*) FROM ops.redrive";
    for fields in [&[("reason", "it is mended")][..], &[all, ("reason", "")], &[("class", "conflict")]] {
        assert_eq!(ann.post("/redrives", fields).await.status, 422, "{fields:?}");
    }
    assert_eq!(viewer.post("/redrives", &[all, ("reason", "x")]).await.status, 403);
    assert_eq!(link.count(redrives).await.unwrap(), 0);

    let made = ann.post("/redrives", &[rate, ("class", "conflict"), ("reason", "it is mended")]).await;
    assert_eq!((made.status, made.header("location")), (303, "/redrives/1"));
    assert!(ann.get("/redrives/1").await.body.contains("action=\"/redrives/1/cancel\""));
    assert!(!viewer.get("/redrives/1").await.body.contains("action=\"/redrives/1/cancel\""));
    assert_eq!(ann.post("/redrives/1/cancel", &[]).await.status, 422, "no reason");
    let cancelled = ann.post("/redrives/1/cancel", &[("reason", "too early")]).await;
    assert_eq!((cancelled.status, cancelled.header("location")), (303, "/redrives/1?told=cancelled"));
    assert_eq!(ann.post("/redrives/1/resume", &[]).await.status, 422, "no reason");
    assert_eq!(ann.post("/redrives/1/resume", &[("reason", "now it is")]).await.status, 303);
    until("the redrive to be done", Duration::from_secs(60), || async {
        Ok((link.count(&format!("{redrives} WHERE state = 'done'")).await? == 1).then_some(()))
    })
    .await
    .unwrap();
    for (action, reason) in [
        ("redrive.created", "it is mended"),
        ("redrive.cancelled", "too early"),
        ("redrive.resumed", "now it is"),
    ] {
        let audited = format!(
            "SELECT count(*) FROM audit.event WHERE action = '{action}' AND actor = 'operator:ann'
             AND from_network = '127.0.0.0/24' AND details ->> 'reason' = '{reason}'"
        );
        assert_eq!(link.count(&audited).await.unwrap(), 1, "{action}");
    }
    let open = "SELECT count(*) FROM ops.dead_letter WHERE state = 'open'";
    assert_eq!(link.count(open).await.unwrap(), 20, "those of the other class");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_is_refused_is_in_the_trail_with_who_asked_for_what_from_where_and_why_not() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    link.client.batch_execute(MANY).await.unwrap();
    let vic = Visitor::signed_in(&stack, &console, "vic", &["viewer"]).await;
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator"]).await;
    let (base, why) = (console.url(), ("reason", "a look"));
    let lane = ("what", "submissions.routine");
    let alert = "0198f2a0-0000-7000-8000-000000000000";

    for _ in 0..2 {
        assert_eq!(vic.post("/dead-letters/1/reveal", &[why]).await.status, 403);
    }
    assert_eq!(ann.post("/dead-letters/2/reveal", &[why]).await.status, 403, "to operate is not to reveal");
    assert_eq!(vic.post("/dead-letters/1/discard", &[why]).await.status, 403);
    assert_eq!(ann.post_from("https://evil.example", "/pauses/set", &[lane, why]).await.status, 403);
    assert_eq!(ann.post("/pauses/set", &[("what", "nothing"), why]).await.status, 422);
    assert_eq!(ann.post(&format!("/alerts/{alert}/close"), &[why]).await.status, 404);
    let nobody = Visitor::new(&console).post_from(&base, "/pauses/end", &[lane, why]).await;
    assert_eq!((nobody.status, nobody.header("location")), (303, "/sign-in"));

    let (steward, operator) = ("needs the scope console:steward", "needs the scope console:operator");
    let noted = [
        ("dead_letter.revealed", "operator:vic", steward, "1", 2),
        ("dead_letter.revealed", "operator:ann", steward, "2", 1),
        ("dead_letter.discarded", "operator:vic", operator, "1", 1),
        ("pause.set", "operator:ann", "the form is of no page of this session", "", 1),
        ("pause.set", "operator:ann", "can''t be used", "", 1),
        ("alert.closed", "operator:ann", "there is no such thing", alert, 1),
        ("pause.ended", "unknown", "nobody is signed in", "", 1),
    ];
    for (action, actor, why, about, count) in noted {
        let rows = format!(
            "SELECT coalesce(sum((details ->> 'count')::bigint), 0)::bigint FROM audit.event
             WHERE action = '{action}' AND outcome = 'refused' AND actor = '{actor}'
             AND from_network = '127.0.0.0/24' AND trace_id IS NOT NULL AND details ->> 'why' = '{why}'
             AND coalesce(details ->> 'about', '') = '{about}'"
        );
        until(&format!("{action} of {actor}"), Duration::from_secs(30), || async {
            Ok((link.count(&rows).await? == count).then_some(()))
        })
        .await
        .unwrap();
    }
    let done = "SELECT (SELECT count(*) FROM ops.pause)
                + (SELECT count(*) FROM ops.dead_letter WHERE state <> 'open')";
    assert_eq!(link.count(done).await.unwrap(), 0);
}
