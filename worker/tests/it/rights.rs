//! The users of the broker, with the rights that docs/SECURITY.md gives them, and the roles of the database: each does
//! its work, and nothing else.

use epro_broker::topology;
use epro_proving::hand::plain;
use epro_proving::stack::Plan;
use epro_proving::{Client, Hand, Inbox, RiskModel, SampleHospital, Stack, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{BOUND, DEAD, ROUTINE, SITE, STORED, STUDY, counts, dangerous, link};

const SECURITY: &str = include_str!("../../../docs/SECURITY.md");

/// The patterns of a user, as the list has them: configure, write, read.
fn rights(user: &str) -> [&'static str; 3] {
    let row = SECURITY.lines().find(|line| line.starts_with(&format!("- `{user}`: "))).unwrap();
    let mut patterns = row.split('`').skip(3).step_by(2);
    std::array::from_fn(|_| patterns.next().unwrap())
}

/// Whom the worker speaks to beyond the two services.
fn outside(hospital: &SampleHospital, risk: &RiskModel, inbox: &Inbox) -> Value {
    let mut by_fhir = hospital.by_fhir();
    by_fhir["calls_per_second"] = json!(100.0);
    let lee = json!({"name": "dr-lee", "email": "lee@h001.example"});
    json!({
        "hospitals": {SITE: by_fhir},
        "studies": {STUDY: {"risk": {"url": risk.url()}}},
        "alerts": {"smtp": inbox.config(), "recipients": {SITE: [lee]}},
    })
}

/// Something for each lane, through the door wherever it takes it.
async fn all_the_work(stack: &Stack, client: &Client, inbox: &Inbox) {
    let (link, minter) = (link(stack).await, stack.minter());
    let mut submission = dangerous();
    submission["site_id"] = json!(SITE);
    assert_eq!(client.submit("P-1", &submission).await.unwrap().status, 202);
    counts(&link, STORED, 1).await;
    inbox.holds(1).await.unwrap();
    let done = |table: &str| format!("SELECT count(*) FROM {table} WHERE state = 'done'");
    counts(&link, &done("ops.delivery"), 1).await;
    counts(&link, &done("ops.risk"), 1).await;

    let nurse = minter.reporter("nurse", &[STUDY], &[SITE]).unwrap();
    let asked = json!({"study_id": STUDY, "site_id": SITE, "subject_id": "P-1", "within_seconds": 20});
    let report = client.report(&nurse, &asked, Some(21)).await.unwrap();
    assert_eq!(report.status, 200, "{}", report.body);

    let claims = json!({"sub": "ana", "scope": "export", "study": STUDY, "site": SITE});
    let ana = minter.token(&claims).unwrap();
    let (from, to) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let asked = json!({"site_id": SITE, "from": from, "to": to, "format": "csv"});
    let export = client.post("/api/v1/exports", &ana, asked.to_string().into_bytes()).await.unwrap();
    let place = export.header("location").unwrap();
    let files = until("the export", BOUND, || async {
        let status = client.get(place, &ana).await?.json()?;
        Ok((status["state"] == "done").then(|| status["files"].clone()))
    });
    let files = files.await.unwrap();
    assert_eq!(client.get(files[1]["href"].as_str().unwrap(), &ana).await.unwrap().status, 200, "{files}");

    let alert = link.client.query_one("SELECT alert_id::text FROM ops.alert", &[]).await.unwrap();
    let place = format!("/api/v1/alerts/{}/acknowledge", alert.get::<_, &str>(0));
    let lee = minter.investigator("dr-lee", &[STUDY], &[SITE]).unwrap();
    assert_eq!(client.post(&place, &lee, Vec::new()).await.unwrap().status, 202);
    counts(&link, &done("ops.alert"), 1).await;

    // What the broker gave up on, and what could not be published.
    let hand = Hand::on(stack).await.unwrap();
    let given_up = plain("nowhere", Uuid::now_v7(), "a stranger's", b"x".to_vec()).through("epro.dead");
    hand.publish(&given_up).await.unwrap();
    counts(&link, DEAD, 1).await;
    let unsent = "UPDATE ops.risk SET state = 'unsent', state_at = now() - interval '1 hour'";
    link.client.batch_execute(unsent).await.unwrap();
    counts(&link, &done("ops.risk"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_of_the_broker_does_its_work_and_nothing_else() {
    let (hospital, risk) = (SampleHospital::start().await.unwrap(), RiskModel::start().await.unwrap());
    let inbox = Inbox::start().await.unwrap();
    let config = outside(&hospital, &risk, &inbox);
    let stack = Stack::with(Plan { config, without_topology: true, ..Plan::default() }).await.unwrap();
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
    let database = stack.database();
    let (reads, stores) =
        tokio::try_join!(database.login("epro_intake"), database.login("epro_worker")).unwrap();
    let environment = [("EPRO__BROKER__URL", intake.url()), ("EPRO__POSTGRES__URL", reads.url())];
    let mut api = stack.spawn("epro-producer-api", &environment).unwrap();
    let lanes = "[submissions, dead, relay, commands, alerts, hospitals, risk, exports]";
    let environment = [
        ("EPRO__BROKER__URL", worker.url()),
        ("EPRO__POSTGRES__URL", stores.url()),
        ("EPRO__WORKER__LANES", lanes),
    ];
    let mut process = stack.spawn("epro-worker", &environment).unwrap();
    api.ready().await.unwrap();
    process.ready().await.unwrap();
    let client = stack.client(&api).unwrap().giving_up_after(BOUND).unwrap();
    all_the_work(&stack, &client, &inbox).await;
    assert!(
        hospital.stored().iter().any(|record| record.kind == "QuestionnaireResponse"),
        "what it was brought"
    );
    for said in [api.output(), process.output()] {
        assert!(
            !said.contains("SQLSTATE 42501") && !said.contains("ACCESS_REFUSED"),
            "a right is lacking: {said}"
        );
    }

    let (management, path) = (keda.management().unwrap(), format!("/api/queues/{}/{ROUTINE}", vhost.name()));
    until("the depth that KEDA reads", BOUND, || async {
        Ok(management.get(&path).await?["messages"].as_u64().filter(|depth| *depth == 0))
    })
    .await
    .unwrap();

    // And what they may not.
    let cases: [(&str, &epro_proving::vhost::BrokerLogin, &[&str]); 4] = [
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
        // What others have on the same vhost is none of the operator's business.
        ("operator", &operator, &["declare theirs"]),
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
                "declare theirs" => channel
                    .queue_declare("theirs".into(), Default::default(), Default::default())
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

    // RabbitMQ's rights end at the exchange: who may publish to one lane may to each. What none of ours has made ends
    // as a dead letter there, and the one that is open already came by way of the broker's own.
    let stolen = Hand::by(&stack, &intake).await.unwrap();
    let lanes = topology::CONSUMED.map(|(_, queue)| queue.to_owned());
    let of_site = [topology::his(SITE), topology::query(SITE)];
    let queues = lanes.into_iter().filter(|queue| queue != topology::DEAD).chain(of_site);
    let mut made_up = 0;
    for queue in queues {
        stolen.publish(&plain(&queue, Uuid::now_v7(), "a stranger's", b"x".to_vec())).await.unwrap();
        made_up += 1;
    }
    counts(&link(&stack).await, DEAD, 1 + made_up).await;
}
