//! Looking: it changes nothing, and it works while the system is at its work; and so does every act.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::database::Link;
use epro_proving::hand::plain;
use epro_proving::pages::PAGES;
use epro_proving::sealed::SUBMISSION;
use epro_proving::service::binary;
use epro_proving::{Client, Hand, Stack, until};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use uuid::Uuid;

use crate::audit::keys;
use crate::console::Visitor;

/// What a form says.
type Form<'f> = &'f [(&'f str, &'f str)];

const BOUND: Duration = Duration::from_secs(60);
/// Submissions that are accepted beside what is looked at or done, at least.
const SEVERAL: usize = 300;
/// Dead letters 1 to 40, which nobody can open.
const FORTY: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times)
SELECT 'dead', 'epro.submissions.routine', gen_random_uuid(), sha256('x'), 'unreadable', '\\x00', false, '{}', 1
FROM generate_series(1, 40)";
/// Submissions that have come all the way.
const TEN: &str = concat!(
    "SET many.submissions = '10'; SET many.dead_letters = '10';",
    include_str!("../../../store/tests/many.sql")
);
/// Every command that only looks and wants to be told nothing.
const LOOKS: [&[&str]; 13] = [
    &["queues", "--json"],
    &["hospitals", "--json"],
    &["doctor", "--json"],
    &["dead-letters", "list", "--json"],
    &["dead-letters", "show", "1", "--json"],
    &["dead-letters", "redrive", "--all", "--dry-run", "--json"],
    &["dead-letters", "redrive", "list", "--json"],
    &["dead-letters", "discard", "--all", "--reason", "not yet", "--json"],
    &["alerts", "list", "--json"],
    &["exports", "list", "--json"],
    &["reconcile", "--json"],
    &["topology", "check", "--json"],
    &["config", "check", "--json"],
];
const FILTERED: [&str; 3] =
    ["/dead-letters?class=unreadable&since=1h", "/dead-letters/1", "/audit?action=topology"];
const STREAMS: [&str; 6] =
    ["/live/overview", "/live/queues", "/live/hospitals", "/live/alerts", "/live/banner", "/redrives/1/live"];

/// Looks with a command, which answers in JSON.
async fn look(stack: &Stack, line: &[&str]) -> String {
    let (code, out, error) = stack.epro_status(line).await.unwrap();
    let may_find = line[0] == "doctor";
    assert!(code == Some(0) || may_find && code == Some(1), "{line:?}: {out}{error}");
    assert!(serde_json::from_str::<Value>(&out).is_ok(), "{line:?}: {out}");
    out
}

/// Looks twice with `queues --watch`.
async fn watch(stack: &Stack) {
    let mut watching = Command::new(binary("epro").unwrap())
        .arg("--config")
        .arg(stack.config())
        .args(["queues", "--watch", "--json"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut looks = BufReader::new(watching.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let look = looks.next_line().await.unwrap().unwrap();
        assert!(serde_json::from_str::<Value>(&look).is_ok(), "{look}");
    }
    watching.kill().await.unwrap();
}

/// Looks with everything: at that alert, at that submission, at redrive 1.
async fn look_at_all(stack: &Stack, visitor: &Visitor, alert: &str, submission: &str) {
    for line in LOOKS {
        look(stack, line).await;
    }
    let traced = look(stack, &["trace", submission, "--json"]).await;
    assert!(traced.contains("received") && traced.contains("submission.stored"), "{traced}");
    look(stack, &["alerts", "show", alert, "--json"]).await;
    look(stack, &["dead-letters", "redrive", "show", "1", "--json"]).await;
    watch(stack).await;

    let found = [
        format!("/alerts/{alert}"),
        format!("/submissions?id={submission}"),
        format!("/audit?submission={submission}"),
        "/redrives/1".to_owned(),
    ];
    for path in PAGES.into_iter().chain(FILTERED).chain(found.iter().map(String::as_str)) {
        let page = visitor.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(!page.body.contains(" is down</strong>"), "{path}: {}", page.body);
    }
    let told = visitor.get(&found[1]).await.body;
    assert!(told.contains("submission.stored"), "{told}");
    for told in join_all(STREAMS.map(|path| visitor.listen(path))).await {
        assert!(told.contains("event:"), "{told}");
    }
}

/// The queues of that stack, but for those whose messages soon move on by themselves.
async fn queues(stack: &Stack) -> Vec<String> {
    let mut queues = stack.vhost().queues().await.unwrap();
    queues.retain(|name| !["epro.wait.5s", "epro.wait.30s", "epro.wait.2m"].contains(&name.as_str()));
    assert!(queues.len() > 15 && queues.contains(&"epro.dead".to_owned()), "{queues:?}");
    queues
}

/// Puts a message straight into a queue; its id.
async fn put(hand: &Hand, queue: &str) -> String {
    let id = Uuid::now_v7();
    hand.publish(&plain(queue, id, SUBMISSION, b"a message".to_vec()).through("")).await.unwrap();
    id.to_string()
}

/// What the broker has counted of each of these queues, once it has counted three publishes.
async fn counted(stack: &Stack, queues: &[String]) -> Vec<Value> {
    let path = format!("/api/queues/{}", stack.vhost().name());
    let counted = until("the broker to have counted all that was published", BOUND, || async {
        let all = stack.vhost().management().get(&path).await?;
        let of = |name: &String| {
            let found = all.as_array()?.iter().find(|queue| queue["name"] == name.as_str())?;
            Some(found["message_stats"].clone()).filter(|stats| stats["publish"] == 3)
        };
        Ok(queues.iter().map(of).collect::<Option<Vec<Value>>>())
    });
    counted.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_with_every_command_and_page_changes_no_queues_order_or_counters() {
    let stack = Stack::new().await.unwrap();
    let (link, hand) = (stack.database().connect().await.unwrap(), Hand::on(&stack).await.unwrap());
    link.client.batch_execute(FORTY).await.unwrap();
    link.client.batch_execute(TEN).await.unwrap();
    let ids = "SELECT md5('a1')::uuid::text, md5('s1')::uuid::text";
    let ids = link.client.query_one(ids, &[]).await.unwrap();
    // A redrive that there is, and that has published nothing.
    let gone = "UPDATE ops.dead_letter SET queue = 'epro.his.GONE' WHERE id = 1";
    link.client.batch_execute(gone).await.unwrap();
    let redrive = ["dead-letters", "redrive", "1", "--yes", "--reason", "again"];
    assert_eq!(stack.epro_status(&redrive).await.unwrap().0, Some(1), "its queue is gone");
    let queues = queues(&stack).await;
    let mut sent: Vec<Vec<String>> = Vec::new();
    for queue in &queues {
        sent.push(vec![put(&hand, queue).await, put(&hand, queue).await]);
    }
    let console = stack.console().await.unwrap();
    let ann = Visitor::signed_in(&stack, &console, "ann", &["operator", "steward"]).await;
    look_at_all(&stack, &ann, ids.get(0), ids.get(1)).await;

    for (queue, sent) in queues.iter().zip(&mut sent) {
        sent.push(put(&hand, queue).await);
    }
    for (queue, counted) in queues.iter().zip(counted(&stack, &queues).await) {
        for counter in ["deliver_get", "deliver", "deliver_no_ack", "get", "get_no_ack", "ack", "redeliver"] {
            assert_eq!(counted[counter].as_u64().unwrap_or(0), 0, "{queue}, {counter}: {counted}");
        }
    }
    let channel = stack.vhost().connect().await.unwrap().create_channel().await.unwrap();
    for (queue, sent) in queues.iter().zip(sent) {
        for id in sent {
            let found = channel.basic_get(queue.as_str().into(), Default::default()).await.unwrap().unwrap();
            assert!(!found.redelivered, "{queue}: somebody has taken it before");
            assert_eq!(found.properties.message_id().as_ref().map(ToString::to_string), Some(id), "{queue}");
        }
    }
}

/// Eight apps, each of which sends as soon as it was answered.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    accepted: AtomicUsize,
}

impl Load {
    async fn pour(&self, client: &Client) {
        join_all((0..8).map(|app| self.app(client, app))).await;
    }

    async fn app(&self, client: &Client, app: usize) {
        for count in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let mut submission = phq9("ONC-301", "H001");
            if count % 10 == 0 {
                submission["answers"]["44260-8"] = 2.into();
            }
            let answer = client.submit(&format!("P-{app}-{count}"), &submission).await.unwrap();
            // A busy machine may be too slow for its door's patience; only what is accepted counts.
            assert!([202, 503].contains(&answer.status), "{}", answer.status);
            self.accepted.fetch_add(usize::from(answer.status == 202), Ordering::Relaxed);
        }
    }

    /// Ends it, but not before it was a load.
    async fn end(&self) {
        until("several hundred submissions to be accepted", BOUND, || async {
            Ok((self.accepted.load(Ordering::Relaxed) >= SEVERAL).then_some(()))
        })
        .await
        .unwrap();
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Two alerts of submissions that poured in, and those submissions.
async fn alerts(link: &Link) -> [(String, String); 2] {
    until("two alerts", BOUND, || async {
        let some = "SELECT a.alert_id::text, a.submission_id::text FROM ops.alert a \
            JOIN identified.submission USING (submission_id, pseudonym) ORDER BY a.created_at LIMIT 2";
        let found = link.client.query(some, &[]).await?;
        let found: Vec<(String, String)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(<[(String, String); 2]>::try_from(found).ok())
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_and_page_answers_while_submissions_pour_in() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let (api, _worker, console) =
        (stack.api().await.unwrap(), stack.worker().await.unwrap(), stack.console().await.unwrap());
    let (client, load) = (stack.client(&api).unwrap(), Load::default());
    link.client.batch_execute(FORTY).await.unwrap();
    let looking = async {
        let ann = Visitor::signed_in(&stack, &console, "ann", &["operator", "steward"]).await;
        let [(alert, submission), _] = alerts(&link).await;
        stack.epro(&["dead-letters", "redrive", "1", "--yes", "--reason", "again"]).await.unwrap();
        look_at_all(&stack, &ann, &alert, &submission).await;
        load.end().await;
    };
    tokio::join!(load.pour(&client), looking);
}

const EXPORT: &str = "00000000-0000-7000-8000-000000000007";
const EXPORTED: &str = "\
INSERT INTO ops.export (export_id, study_ids, site_id, instruments, period_from, period_to, format, identified, snapshot,
    actor, requested_at, state, finished_at, expires_at)
VALUES ('00000000-0000-7000-8000-000000000007', '{ONC-301}', 'H001', '{}', now() - interval '1 day', now(), 'csv', false,
    pg_current_snapshot()::text, 'operator:ann', now(), 'done', now(), now() + interval '1 day')";

#[tokio::test(flavor = "multi_thread")]
async fn every_act_at_the_terminal_and_at_the_console_is_done_while_submissions_pour_in() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let (api, _worker, console) =
        (stack.api().await.unwrap(), stack.worker().await.unwrap(), stack.console().await.unwrap());
    let (client, load) = (stack.client(&api).unwrap(), Load::default());
    link.client.batch_execute(&format!("{FORTY}; {EXPORTED}")).await.unwrap();
    let (secret, public) = keys(stack.folder(), "audit");
    let (anchors, copy) = (stack.folder().join("anchors"), stack.folder().join("copy.ndjson"));
    let public = serde_json::json!([public]).to_string();
    let env = [
        ("EPRO__AUDIT__FOLDER", anchors.to_str().unwrap()),
        ("EPRO__AUDIT__SIGNING_KEY_FILE", secret.to_str().unwrap()),
        ("EPRO__AUDIT__PUBLIC_KEY_FILES", public.as_str()),
    ];
    let acting = async {
        let ann = Visitor::signed_in(&stack, &console, "ann", &["operator", "steward"]).await;
        let [(first, _), (second, _)] = alerts(&link).await;
        let why = ["--reason", "a look"];
        let acts: [&[&str]; 13] = [
            &["pause", "exports"],
            &["resume", "exports"],
            &["dead-letters", "discard", "2", "--yes"],
            &["dead-letters", "show", "3", "--reveal"],
            &["dead-letters", "redrive", "1", "--yes"],
            &["dead-letters", "redrive", "cancel", "1"],
            &["dead-letters", "redrive", "resume", "1"],
            &["reconcile", "--queue", "epro.his.H001", "--yes"],
            &["alerts", "close", first.as_str()],
            &["audit", "export", "--out", copy.to_str().unwrap()],
            &["audit", "anchor"],
            &["audit", "verify"],
            &["exports", "watch", EXPORT],
        ];
        for line in acts {
            let asks_why = !matches!(line, ["audit", "anchor" | "verify"] | ["exports", ..]);
            let line = [line, if asks_why { &why[..] } else { &[] }].concat();
            let (code, out, error) = stack.epro_with(&env, &line).await.unwrap();
            assert_eq!(code, Some(0), "{line:?}: {out}{error}");
        }
        let (why, exports) = (("reason", "a look"), ("what", "exports"));
        let some = [("class", "unreadable"), ("limit", "30"), ("rate", "1"), why];
        let second = format!("/alerts/{second}/close");
        let posts: [(&str, Form<'_>, u16); 8] = [
            ("/pauses/set", &[exports, why], 303),
            ("/pauses/end", &[exports, why], 303),
            ("/dead-letters/4/reveal", &[why], 200),
            ("/dead-letters/5/discard", &[why], 303),
            ("/redrives", &some, 303),
            ("/redrives/2/cancel", &[why], 303),
            ("/redrives/2/resume", &[why], 303),
            (second.as_str(), &[why], 303),
        ];
        for (path, fields, status) in posts {
            let answer = ann.post(path, fields).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.body);
        }
        load.end().await;
    };
    tokio::join!(load.pour(&client), acting);
    let told = "SELECT count(DISTINCT action) FROM audit.event WHERE outcome = 'ok' AND action IN ('pause.set', \
        'pause.ended', 'dead_letter.discarded', 'dead_letter.revealed', 'redrive.created', 'alert.closed')";
    assert_eq!(link.count(told).await.unwrap(), 6);
}
