//! The users of the broker, with the rights that docs/SECURITY.md gives them: each does its work, and nothing else.

use epro_proving::client::phq9;
use epro_proving::{Stack, until};

use crate::support::{BOUND, ROUTINE, SITE, STUDY, link};

const SECURITY: &str = include_str!("../../../docs/SECURITY.md");

/// The patterns of a user, as the list has them: configure, write, read.
fn rights(user: &str) -> [&'static str; 3] {
    let row = SECURITY.lines().find(|line| line.starts_with(&format!("- `{user}`: "))).unwrap();
    let mut patterns = row.split('`').skip(3).step_by(2);
    std::array::from_fn(|_| patterns.next().unwrap())
}

#[tokio::test]
async fn each_user_of_the_broker_does_its_work_and_nothing_else() {
    let stack = Stack::with(epro_proving::stack::Plan { without_topology: true, ..Default::default() })
        .await
        .unwrap();
    let vhost = stack.vhost();
    let users = ["epro-intake", "epro-worker", "epro-operator"].map(rights);
    assert!(users[..2].iter().all(|[configure, ..]| *configure == "^$"));
    let [intake, worker, operator] = users;
    let (intake, worker, operator) =
        tokio::try_join!(vhost.login(intake), vhost.login(worker), vhost.login(operator)).unwrap();
    let keda = vhost.tagged("monitoring", rights("epro-keda")).await.unwrap();

    // What each is there for.
    let (code, out, error) =
        stack.epro_with(&[("EPRO__BROKER__URL", operator.url())], &["topology", "apply"]).await.unwrap();
    assert_eq!(code, Some(0), "{out}{error}");
    let mut api = stack.spawn("epro-producer-api", &[("EPRO__BROKER__URL", intake.url())]).unwrap();
    let lanes = "[submissions, dead, relay, commands, alerts, risk, exports]";
    let environment = [("EPRO__BROKER__URL", worker.url()), ("EPRO__WORKER__LANES", lanes)];
    let mut process = stack.spawn("epro-worker", &environment).unwrap();
    api.ready().await.unwrap();
    process.ready().await.unwrap();
    let client = stack.client(&api).unwrap();
    assert_eq!(client.submit("P-1", &phq9(STUDY, SITE)).await.unwrap().status, 202);
    let rows = "SELECT count(*) FROM identified.submission";
    let link = link(&stack).await;
    until("the row", BOUND, || async { Ok((link.count(rows).await? == 1).then_some(())) }).await.unwrap();

    let (management, path) = (keda.management().unwrap(), format!("/api/queues/{}/{ROUTINE}", vhost.name()));
    until("the depth that KEDA reads", BOUND, || async {
        Ok(management.get(&path).await?["messages"].as_u64().filter(|depth| *depth == 0))
    })
    .await
    .unwrap();

    // And what they may not.
    let cases: [(&str, &epro_proving::vhost::BrokerLogin, &[&str]); 3] = [
        ("keda", &keda, &["get work", "publish work", "purge", "declare"]),
        (
            "intake",
            &intake,
            &[
                "get work",
                "get waiting",
                "publish wait",
                "publish dead",
                "purge",
                "delete",
                "declare",
                "bind",
            ],
        ),
        ("worker", &worker, &["get waiting", "publish return", "publish dead", "delete", "declare", "bind"]),
    ];
    for (who, login, acts) in cases {
        let connection = login.connect().await.unwrap();
        for act in acts {
            let channel = connection.create_channel().await.unwrap();
            let said = match *act {
                "get work" => channel.basic_get(ROUTINE.into(), Default::default()).await.map(drop),
                "get waiting" => channel.basic_get("epro.wait.5s".into(), Default::default()).await.map(drop),
                "purge" => channel.queue_purge(ROUTINE.into(), Default::default()).await.map(drop),
                "delete" => channel.queue_delete(ROUTINE.into(), Default::default()).await.map(drop),
                "declare" => channel
                    .queue_declare("epro.mine".into(), Default::default(), Default::default())
                    .await
                    .map(drop),
                "bind" => {
                    let (queue, exchange) = (ROUTINE.into(), "epro.dead".into());
                    channel
                        .queue_bind(queue, exchange, "".into(), Default::default(), Default::default())
                        .await
                }
                publish => {
                    let exchange = format!("epro.{}", publish.strip_prefix("publish ").unwrap());
                    let exchange = if exchange == "epro.wait" { "epro.wait.5s".to_owned() } else { exchange };
                    let published = async {
                        channel.confirm_select(Default::default()).await?;
                        let properties = Default::default();
                        let sent = channel.basic_publish(
                            exchange.into(),
                            ROUTINE.into(),
                            Default::default(),
                            b"x",
                            properties,
                        );
                        sent.await?.await.map(drop)
                    };
                    published.await
                }
            };
            let error = said.expect_err(&format!("{who} may {act}")).to_string();
            assert!(error.contains("ACCESS_REFUSED") || error.contains("access to"), "{who}, {act}: {error}");
        }
        connection.close(200, "done".into()).await.unwrap();
    }
}
