//! What the door refuses, and who may see what.

use serde_json::json;

use super::{Analyst, QUEUE, SITE, stack};
use crate::support::{STUDY, link};

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_refused_by_pointer_and_nothing_is_published() {
    let stack = stack(json!({})).await;
    let ana = Analyst::of(&stack, "export").await;
    for (change, pointer) in [
        (json!({"from": "2026-12-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}), "/to"),
        (json!({"from": "yesterday"}), "/from"),
        (json!({"site_id": "H999"}), "/site_id"),
        (json!({"site_id": 7}), "/site_id"),
        (json!({"study_ids": [STUDY, "X-1"]}), "/study_ids/1"),
        (json!({"instruments": ["phq-9|9.9"]}), "/instruments/0"),
        (json!({"format": "xlsx"}), "/format"),
        (json!({"format": "documents"}), "/identified"),
        (json!({"colour": "red"}), ""),
    ] {
        let reply = ana.asks(change.clone()).await;
        assert_eq!(reply.status, 422, "{change}: {}", reply.body);
        let body = reply.json().unwrap();
        assert_eq!(body["errors"][0]["pointer"], pointer, "{body}");
        assert!(!reply.body.contains("H999") && !reply.body.contains("xlsx"), "{}", reply.body);
    }
    for (change, status) in [
        (json!({"site_id": "H001"}), 403),
        (json!({"study_ids": ["PAIN-7"]}), 403),
        (json!({"identified": true}), 403),
    ] {
        assert_eq!(ana.asks(change.clone()).await.status, status, "{change}");
    }
    assert_eq!(stack.vhost().ready(QUEUE).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_export_looks_like_one_that_is_not_there() {
    let stack = stack(json!({})).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    let done = ana.is(&place, "done").await;
    let file = done["files"][0]["href"].as_str().unwrap();
    let claims = |scope: &str, study: &str, site: &str| json!({"sub": "bob", "scope": scope, "study": [study, "PSY-12"], "site": site});
    for (claims, status) in [
        (claims("export", STUDY, "H001"), 404),
        (claims("export", "PAIN-7", SITE), 404),
        (claims("read:site", STUDY, SITE), 403),
    ] {
        let token = stack.minter().token(&claims).unwrap();
        for path in [place.as_str(), file] {
            assert_eq!(ana.client.get(path, &token).await.unwrap().status, status, "{claims} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_tells_who_asked_who_looked_who_fetched_and_how_it_ended() {
    let stack = stack(json!({})).await;
    let link = link(&stack).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    ana.files(&status).await;
    let export = status["export_id"].as_str().unwrap();
    let ours = "127.0.0.0/24";
    for (action, from) in [
        ("export.requested", ours),
        ("export.read", ours),
        ("export.finished", ""),
        ("export.download", ours),
    ] {
        let sql = format!(
            "SELECT LEAST(count(*), 1) FROM audit.event WHERE action = '{action}' AND outcome <> 'refused'
             AND coalesce(from_network, '') = '{from}' AND details::jsonb ->> 'export' = '{export}'"
        );
        crate::support::counts(&link, &sql, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_serves_what_it_is_told_to() {
    for (serve, submit, exports) in [("intake", 401, 404), ("jobs", 404, 401)] {
        let stack = stack(json!({"intake": {"serve": [serve]}})).await;
        let api = stack.api().await.unwrap();
        let client = stack.client(&api).unwrap();
        for (path, status) in [("/api/v1/epro/submit", submit), ("/api/v1/exports", exports)] {
            let reply = client.post_as(path, None, "application/json", Vec::new()).await.unwrap();
            assert_eq!(reply.status, status, "{serve} {path}");
        }
    }
}
