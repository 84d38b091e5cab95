//! A server that is down, silent, or slow.

use std::time::Duration;

use epro_proving::pages::PAGES;
use epro_proving::services::{Services, host_port};
use epro_proving::stack::Plan;
use epro_proving::{Proxy, Stack, until};
use futures_util::future::join_all;
use serde_json::Value;

use super::visitor::{Answer, Visitor};

const BOUND: Duration = Duration::from_secs(60);
/// What the console itself promises, whatever is down.
const PROMISED: Duration = Duration::from_secs(2);
const FILTERED: [&str; 2] =
    ["/dead-letters?class=conflict", "/submissions?id=0198f2a0-0000-7000-8000-000000000000"];
/// Nothing of these is kept: without PostgreSQL there is nothing to show.
const ONES: [&str; 3] = ["/dead-letters/1", "/redrives/1", "/alerts/0198f2a0-0000-7000-8000-000000000000"];

async fn until_says(visitor: &Visitor, path: &str, so: impl Fn(&str) -> bool) -> String {
    let look = || async {
        let page = visitor.get(path).await.body;
        Ok(so(&page).then_some(page))
    };
    until("the page to say so", BOUND, look).await.unwrap()
}

fn is(server: &str, state: &str, page: &str) -> bool {
    page.contains(&format!("{server} is {state}</strong> since"))
}

fn pages() -> impl Iterator<Item = &'static str> {
    PAGES.into_iter().chain(FILTERED)
}

/// All of them at once.
async fn all(visitor: &Visitor) -> Vec<(&'static str, Answer)> {
    let paths = pages().chain(ONES);
    join_all(paths.map(async |path| (path, visitor.get(path).await))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_servers_silent_every_page_answers_in_two_seconds_and_names_them_and_its_age() {
    let services = Services::from_env().unwrap();
    let postgres = Proxy::to(&host_port(&services.database).unwrap()).await.unwrap();
    let rabbitmq = Proxy::to(&host_port(&services.management).unwrap()).await.unwrap();
    let plan = Plan { postgres: Some(postgres.address()), ..Plan::default() };
    let stack = Stack::with(plan).await.unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    let management = config["broker"]["management_url"].as_str().unwrap();
    config["broker"]["management_url"] = rabbitmq.lead(management).unwrap().into();
    std::fs::write(stack.config(), config.to_string()).unwrap();
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator", "steward"]).await;
    until_says(&ann, "/hospitals", |page| page.contains("H001") && !page.contains("</strong> since")).await;

    let ann = ann.waiting_at_most(PROMISED);
    postgres.stall();
    rabbitmq.stall();
    // Before the watch has noticed.
    for (path, page) in all(&ann).await {
        assert!([200, 503].contains(&page.status), "{path}: {} {}", page.status, page.body);
    }
    let down = |page: &str| is("PostgreSQL", "down", page) && is("RabbitMQ", "down", page);
    let page = until_says(&ann, "/hospitals", down).await;
    assert!(page.contains("What is shown of it is") && page.contains("H001"), "{page}");
    for (path, page) in all(&ann).await {
        let status = if ONES.contains(&path) { 503 } else { 200 };
        assert!(page.status == status && down(&page.body), "{path}: {} {}", page.status, page.body);
    }
    let late = Visitor::signed_in(&stack, &console, "bob", &["viewer"]).await;
    assert!(down(&late.get("/").await.body), "who comes now gets in, too");

    postgres.pass();
    rabbitmq.pass();
    until_says(&ann, "/hospitals", |page| !page.contains("</strong> since")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_in_and_out_while_postgresql_was_away_is_in_the_trail_once_it_is_back() {
    let services = Services::from_env().unwrap();
    let postgres = Proxy::to(&host_port(&services.database).unwrap()).await.unwrap();
    let stack = Stack::with(Plan { postgres: Some(postgres.address()), ..Plan::default() }).await.unwrap();
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["viewer"]).await;
    until_says(&ann, "/hospitals", |page| page.contains("H001")).await;
    postgres.stall();
    // One before the watch has noticed, the other after.
    let eve = Visitor::signed_in(&stack, &console, "eve", &["viewer"]).await;
    until_says(&eve, "/hospitals", |page| is("PostgreSQL", "down", page)).await;
    let bob = Visitor::signed_in(&stack, &console, "bob", &["viewer"]).await;
    assert_eq!(bob.post("/sign-out", &[]).await.status, 303);

    postgres.pass();
    let link = stack.database().connect().await.unwrap();
    let noted = [("eve", "signed_in"), ("bob", "signed_in"), ("bob", "signed_out")];
    for (who, action) in noted {
        let rows = format!(
            "SELECT count(*) FROM audit.event WHERE action = 'console.{action}' AND outcome = 'ok'
             AND actor = 'operator:{who}' AND from_network = '127.0.0.0/24' AND trace_id ~ '^[0-9a-f]{{32}}$'
             AND details ->> 'count' = '1' AND details ->> 'first' IS NOT NULL"
        );
        until(&format!("{action} of {who}"), BOUND, || async {
            Ok((link.count(&rows).await? == 1).then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_management_api_that_is_gone_is_named_without_its_password() {
    let stack = Stack::new().await.unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["broker"]["management_url"] = "http://nobody:nothing@127.0.0.1:1".into();
    std::fs::write(stack.config(), config.to_string()).unwrap();
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["viewer"]).await;
    until_says(&ann, "/hospitals", |page| is("RabbitMQ", "down", page) && page.contains("H001")).await;
    for path in pages() {
        let page = ann.get(path).await;
        assert!(page.status == 200 && is("RabbitMQ", "down", &page.body), "{path}: {}", page.body);
        assert!(!page.body.contains("nobody:nothing"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_slow_is_not_called_down_and_is_asked_for_what_it_can_tell() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator"]).await;
    until_says(&ann, "/hospitals", |page| page.contains("H001")).await;
    let link = stack.database().connect().await.unwrap();
    // Of all pages only that of the hospitals reads it.
    let lock = "BEGIN; LOCK TABLE ops.hospital_state IN ACCESS EXCLUSIVE MODE";
    link.client.batch_execute(lock).await.unwrap();

    let page = until_says(&ann, "/hospitals", |page| is("PostgreSQL", "slow", page)).await;
    assert!(page.contains("What is shown of it is") && page.contains("H001"), "{page}");
    for path in pages() {
        let page = ann.get(path).await;
        assert!(page.status == 200 && is("PostgreSQL", "slow", &page.body), "{path}: {}", page.body);
        assert!(!page.body.contains("class=\"error\""), "{path}: {}", page.body);
    }
    let paused = ann.post("/pauses/set", &[("what", "exports"), ("reason", "to see whether it does")]).await;
    assert_eq!(paused.status, 303, "{}", paused.body);
    link.client.batch_execute("COMMIT").await.unwrap();
    until_says(&ann, "/hospitals", |page| !page.contains("</strong> since")).await;
}
