//! Getting in, and what a browser is told about every page.

use std::time::Duration;

use epro_proving::pages::PAGES;
use epro_proving::stack::Plan;
use epro_proving::{Issuer, Stack, until};
use serde_json::json;

use super::visitor::Visitor;

const BOUND: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_a_scope_of_the_console_gets_in_and_its_cookie_ends_with_the_sign_out() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let nobody = Visitor::new(&console);
    let turned = nobody.get("/dead-letters?class=conflict").await;
    assert_eq!(
        (turned.status, turned.header("location")),
        (303, "/sign-in?to=%2Fdead-letters%3Fclass%3Dconflict")
    );
    assert_eq!(nobody.get("/live/overview").await.status, 401);
    let minter = stack.minter();
    for (token, why) in [
        (minter.patient("P-1", "ONC-301", "H001").unwrap(), "none of the scopes"),
        (minter.forger().operator("ann", &["operator"]).unwrap(), "signature is wrong"),
        ("nonsense".to_owned(), "can&#39;t be read"),
    ] {
        let refused = nobody.sign_in(&token).await;
        assert!(refused.status == 401 && refused.body.contains(why), "{why}: {}", refused.body);
        assert_eq!(refused.header("set-cookie"), "");
    }
    let entered = nobody.sign_in(&minter.operator("ann", &["viewer"]).unwrap()).await;
    let cookie = entered.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Max-Age="), "{cookie}");

    let link = stack.database().connect().await.unwrap();
    let noted = "SELECT coalesce(sum((details->>'count')::bigint), 0)::bigint FROM audit.event \
                 WHERE action = 'console.sign_in' AND outcome = 'refused' AND actor = 'unknown' \
                 AND from_network = '127.0.0.0/24' AND details->>'why' IS NOT NULL";
    until("the failed sign-ins in the audit trail", Duration::from_secs(30), || async {
        Ok((link.count(noted).await? == 3).then_some(()))
    })
    .await
    .unwrap();

    let ann = Visitor::signed_in(&stack, &console, "ann", &["viewer"]).await;
    assert!(ann.get("/").await.body.contains(">ann</span>"));
    assert_eq!(ann.post("/sign-out", &[]).await.status, 303);
    assert_eq!(ann.get("/").await.header("location"), "/sign-in", "the cookie is no good any more");
    // Both sign-ins that were let in, and the one that ended.
    for (action, count) in [("console.signed_in", 2), ("console.signed_out", 1)] {
        let noted = format!(
            "SELECT count(*) FROM audit.event WHERE action = '{action}' AND outcome = 'ok'
             AND actor = 'operator:ann' AND from_network = '127.0.0.0/24' AND trace_id ~ '^[0-9a-f]{{32}}$'"
        );
        assert_eq!(link.count(&noted).await.unwrap(), count, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_trail_has_from_where_somebody_came_to_it() {
    let config = json!({"console": {"trusted_proxies": ["127.0.0.1"]}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await.unwrap();
    let console = stack.console().await.unwrap();
    let mut ann = Visitor::signed_in(&stack, &console, "ann", &["viewer"]).await;
    ann.forwarded_for = Some("198.51.100.1, 203.0.113.7".to_owned());
    assert_eq!(ann.sign_in("nonsense").await.status, 401);
    assert_eq!(ann.sign_in(&stack.minter().operator("ann", &["viewer"]).unwrap()).await.status, 303);
    assert_eq!(ann.post("/sign-out", &[]).await.status, 303);
    let link = stack.database().connect().await.unwrap();
    for action in ["console.sign_in", "console.signed_in", "console.signed_out"] {
        let from = format!(
            "SELECT count(*) FROM audit.event WHERE action = '{action}' AND from_network = '203.0.113.0/24'"
        );
        until(action, Duration::from_secs(30), || async {
            Ok((link.count(&from).await? == 1).then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_under_a_key_that_the_issuer_publishes_gets_in() {
    let (issuer, (key, minter)) = (Issuer::start().await.unwrap(), Issuer::key("one").unwrap());
    issuer.show(Some(json!([key])));
    let config = json!({"auth": {"jwks": {"url": issuer.url(), "refresh": "1s"}}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await.unwrap();
    let console = stack.console().await.unwrap();
    let nobody = Visitor::new(&console);
    let token = minter.operator("ann", &["viewer"]).unwrap();
    until("the keys to be fetched", Duration::from_secs(30), || async {
        Ok((nobody.sign_in(&token).await.status == 303).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signed_in_before_the_issuer_withdrew_a_key_is_signed_out_and_their_streams_end() {
    let issuer = Issuer::start().await.unwrap();
    let ((old, by_old), (new, by_new)) = (Issuer::key("old").unwrap(), Issuer::key("new").unwrap());
    issuer.show(Some(json!([old, new])));
    let config = json!({"auth": {"jwks": {"url": issuer.url(), "refresh": "1s"}}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await.unwrap();
    let console = stack.console().await.unwrap();
    let nobody = Visitor::new(&console);
    let token = by_old.operator("ann", &["viewer"]).unwrap();
    until("the keys to be fetched", BOUND, || async {
        Ok((nobody.sign_in(&token).await.status == 303).then_some(()))
    })
    .await
    .unwrap();
    let ann = Visitor::with_token(&console, &token).await.waiting_at_most(BOUND);
    let mut stream = ann.open("/live/overview").await;
    assert_eq!(ann.get("/").await.status, 200);

    issuer.show(Some(json!([new])));
    until("ann to be signed out", BOUND, || async {
        Ok((ann.get("/").await.header("location") == "/sign-in").then_some(()))
    })
    .await
    .unwrap();
    while stream.chunk().await.expect("it ends in order").is_some() {}
    assert_eq!(nobody.sign_in(&token).await.status, 401);
    let bob = Visitor::with_token(&console, &by_new.operator("bob", &["viewer"]).unwrap()).await;
    assert_eq!(bob.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_runs_or_loads_anything_but_our_own_files_and_none_is_kept() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator", "steward"]).await;
    for path in PAGES.into_iter().chain(["/sign-in", "/nowhere"]) {
        let page = ann.get(path).await;
        assert_eq!(page.status, if path == "/nowhere" { 404 } else { 200 }, "{path}: {}", page.body);
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        for inline in [" style=", "<style", "<script>", "javascript:", " onclick=", "http://", "https://"] {
            assert!(!page.body.contains(inline), "{path} has {inline}");
        }
        for file in page.body.split('"').filter(|text| text.starts_with("/files/")) {
            assert_eq!(ann.get(file).await.status, 200, "{file}");
        }
    }
}
