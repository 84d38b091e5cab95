//! A server that is down, or silent.

use std::time::Duration;

use epro_proving::services::Services;
use epro_proving::services::host_port;
use epro_proving::stack::Plan;
use epro_proving::{Proxy, Stack, until};
use serde_json::Value;

use super::visitor::Visitor;

const BOUND: Duration = Duration::from_secs(60);

async fn until_says(visitor: &Visitor, path: &str, so: impl Fn(&str) -> bool) -> String {
    let look = || async {
        let page = visitor.get(path).await.body;
        Ok(so(&page).then_some(page))
    };
    until("the page to say so", BOUND, look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgresql_silent_and_rabbitmq_gone_every_page_answers_and_names_them_and_its_age() {
    let services = Services::from_env().unwrap();
    let postgres = Proxy::to(&host_port(&services.database).unwrap()).await.unwrap();
    let plan = Plan { postgres: Some(postgres.address()), ..Plan::default() };
    let stack = Stack::with(plan).await.unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["broker"]["management_url"] = "http://nobody:nothing@127.0.0.1:1".into();
    std::fs::write(stack.config(), config.to_string()).unwrap();
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator", "steward"]).await;
    until_says(&ann, "/hospitals", |page| page.contains("H001")).await;

    postgres.stall();
    let down = |page: &str| {
        let named = |server: &str| page.contains(&format!("<strong>{server} is down</strong> since"));
        named("PostgreSQL") && named("RabbitMQ")
    };
    let page = until_says(&ann, "/hospitals", down).await;
    assert!(page.contains("What is shown of it is") && page.contains("H001"), "{page}");
    for path in
        ["/", "/queues", "/alerts", "/alerts?all=1", "/dead-letters", "/submissions", "/audit", "/pauses"]
    {
        let page = ann.get(path).await;
        assert!(page.status == 200 && down(&page.body), "{path}: {} {}", page.status, page.body);
        assert!(!page.body.contains("nobody:nothing"), "{path}");
    }
    let late = Visitor::signed_in(&stack, &console, "bob", &["viewer"]).await;
    assert!(down(&late.get("/").await.body), "who comes now gets in, too");

    postgres.pass();
    until_says(&ann, "/hospitals", |page| !page.contains("PostgreSQL is down")).await;
}
