//! Between the 202 and the row: whoever asked is told, by any door, and can end it.

use epro_proving::Hand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Analyst, QUEUE, SITE, made, nothing_left, stack};
use crate::support::{STUDY, counts};

/// Somebody else of the same site with the same rights.
fn colleague(stack: &epro_proving::Stack) -> String {
    let claims = json!({"sub": "bob", "scope": "export", "study": [STUDY, "PSY-12"], "site": [SITE]});
    stack.minter().token(&claims).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn until_it_is_written_down_every_door_tells_who_asked_that_it_is_queued_and_nobody_else() {
    let stack = stack(json!({})).await;
    let _link = made(&stack, 10).await;
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    // With the rights that the door has in production, and no others.
    let login = stack.database().login("epro_intake").await.unwrap();
    let mut other = stack.spawn("epro-producer-api", &[("EPRO__POSTGRES__URL", login.url())]).unwrap();
    other.ready().await.unwrap();
    let others = stack.client(&other).unwrap();
    for client in [&ana.client, &others] {
        let reply = client.get(&place, &ana.token).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        let status = reply.json().unwrap();
        let known = (&status["state"], &status["files"], &status["format"], &status["started_at"]);
        assert_eq!(known, (&json!("queued"), &json!([]), &Value::Null, &Value::Null));
        assert!(status["requested_at"].is_string() && place.ends_with(status["export_id"].as_str().unwrap()));
    }
    let bob = colleague(&stack);
    assert_eq!(ana.client.get(&place, &bob).await.unwrap().status, 404);
    let made_up = format!("/api/v1/exports/{}", Uuid::now_v7());
    for (method, path) in
        [("GET", made_up.clone()), ("DELETE", made_up), ("GET", format!("{place}/files/manifest.json"))]
    {
        assert_eq!(ana.call(method, &path, &[]).await.status, 404, "{method} {path}");
    }
    assert_eq!(stack.vhost().ready(QUEUE).await.unwrap(), 1, "nothing but the request was published");
    let _worker = stack.worker().await.unwrap();
    let status = ana.is(&place, "done").await;
    assert_eq!((&status["rows"], &status["format"]), (&json!(10), &json!("csv")));
    assert_eq!(ana.client.get(&place, &bob).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_before_anybody_takes_it_up_it_is_never_begun() {
    let stack = stack(json!({"exports": {"slots": 1, "file_mib": 1}})).await;
    let link = made(&stack, 10).await;
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    assert_eq!(ana.call("DELETE", &place, &[]).await.status, 202);
    // What was published is not done yet.
    assert_eq!(ana.is(&place, "queued").await["files"], json!([]));
    // Nobody has a slot until the end is written down.
    let lease = "INSERT INTO ops.lease (kind, key, owner, term, until)
                 VALUES ('export', 'slot-1', gen_random_uuid(), 1, now() + interval '1 day')";
    link.client.batch_execute(lease).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    let status = ana.is(&place, "cancelled").await;
    assert_eq!((&status["started_at"], &status["files"]), (&Value::Null, &json!([])));
    link.client
        .batch_execute("UPDATE ops.lease SET until = '-infinity' WHERE kind = 'export'")
        .await
        .unwrap();
    let next = ana.export(json!({"from": "2026-12-31T00:00:00Z"})).await;
    ana.is(&next, "done").await;
    assert!(ana.is(&place, "cancelled").await["started_at"].is_null());
    assert_eq!(link.count("SELECT count(*) FROM ops.export WHERE run = 0").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_overtakes_its_request_holds() {
    let stack = stack(json!({})).await;
    let link = made(&stack, 10).await;
    let (ana, bob) = (Analyst::of(&stack, "export").await, colleague(&stack));
    let hand = Hand::on(&stack).await.unwrap();
    let place = ana.export(json!({})).await;
    assert_eq!(ana.call("DELETE", &place, &[]).await.status, 202);
    let letters = hand.take(QUEUE).await.unwrap();
    let [request, end] = &letters[..] else { panic!("{} messages", letters.len()) };
    let _worker = stack.worker().await.unwrap();
    hand.publish(end).await.unwrap();
    assert_eq!(ana.is(&place, "cancelled").await["format"], Value::Null);
    assert_eq!(ana.client.get(&place, &bob).await.unwrap().status, 404, "nobody knows whose it is");
    hand.publish(request).await.unwrap();
    for (action, outcome) in [("export.cancel", "early"), ("export.requested", "ok")] {
        let audited =
            format!("SELECT count(*) FROM audit.event WHERE action = '{action}' AND outcome = '{outcome}'");
        counts(&link, &audited, 1).await;
    }
    let status = ana.is(&place, "cancelled").await;
    assert_eq!((&status["format"], &status["started_at"]), (&json!("csv"), &Value::Null));
    assert_eq!(ana.client.get(&place, &bob).await.unwrap().status, 200);
    // Whatever comes after it is made, and it is not.
    ana.is(&ana.export(json!({"from": "2026-12-31T00:00:00Z"})).await, "done").await;
    assert_eq!(
        link.count("SELECT count(*) FROM ops.export WHERE run = 0 AND state = 'cancelled'").await.unwrap(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_before_it_began_it_leaves_nothing() {
    let stack = stack(json!({})).await;
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    assert_eq!(ana.call("DELETE", &place, &[]).await.status, 202);
    let _worker = stack.worker().await.unwrap();
    ana.is(&place, "cancelled").await;
    nothing_left(&stack);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_set_aside_is_told_as_failed_and_made_when_it_is_redriven() {
    let stack = stack(json!({})).await;
    let link = made(&stack, 10).await;
    let refuse = "ALTER TABLE ops.export ADD CONSTRAINT not_this_one CHECK (format <> 'ndjson')";
    link.client.batch_execute(refuse).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({"format": "ndjson"})).await;
    let status = ana.is(&place, "failed").await;
    assert_eq!(status["error"], "the request was set aside for an operator");
    link.client.batch_execute("ALTER TABLE ops.export DROP CONSTRAINT not_this_one").await.unwrap();
    let line =
        ["dead-letters", "redrive", "--class", "refused", "--yes", "--reason", "the constraint is gone"];
    stack.epro(&line).await.unwrap();
    assert_eq!(ana.is(&place, "done").await["rows"], json!(10));
}
