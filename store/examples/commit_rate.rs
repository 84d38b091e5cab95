//! How many PHQ-9 submissions a second the store commits: all tables, audit chain included.
//!
//! `EPRO_TEST_DATABASE_URL=… cargo run --release -p epro-store --example commit_rate [connections] [chunk] [total]`
//!
//! It makes a database of its own and drops it. The rows are made before the clock starts.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, not a service")]

use epro_store::audit::{Actor, AuditFacts};
use epro_store::submissions::{HeadersForRedrive, IdentifiedRow, NewSubmission, ResearchRow, Source};
use epro_store::{AuditChain, DatabaseUrl, Store, migrate};
use serde_json::json;
use std::time::Instant;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use uuid::Uuid;

fn argument(n: usize, otherwise: usize) -> usize {
    std::env::args().nth(n).map_or(otherwise, |argument| argument.parse().unwrap())
}

#[tokio::main]
async fn main() {
    let (connections, chunk, total) = (argument(1, 2), argument(2, 256), argument(3, 50_000));
    let server = std::env::var("EPRO_TEST_DATABASE_URL").unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let name = format!("epro_rate_{}", Uuid::new_v4().simple());
    let url: DatabaseUrl = format!("{base}/{name}").parse().unwrap();
    administer(&server, &format!("CREATE DATABASE {name}")).await;
    migrate::run(&url).await.unwrap();

    let store = Store::open(&url, connections);
    let mut work = Vec::new();
    for _ in 0..connections {
        work.push((0..total / connections).map(|_| submission()).collect::<Vec<_>>());
    }
    let (cpu, started) = (cpu_seconds(), Instant::now());
    let mut tasks = JoinSet::new();
    for submissions in work {
        let store = store.clone();
        tasks.spawn(async move {
            let mut chain = AuditChain::new("commit_rate");
            for chunk in submissions.chunks(chunk) {
                store.commit_chunk(&mut chain, chunk, None).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = (cpu_seconds() - cpu) * 10_000.0 / total as f64;
    let rate = total as f64 / seconds;
    let (client, connection) =
        tokio_postgres::connect(&format!("{base}/{name}"), tokio_postgres::NoTls).await.unwrap();
    let counting = async move {
        for table in ["identified.submission", "research.submission", "ops.delivery", "audit.event"] {
            let stored: i64 =
                client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
            assert_eq!(usize::try_from(stored).unwrap(), total / connections * connections, "{table}");
        }
    };
    let _ = tokio::join!(counting, connection);
    println!("{connections} x {chunk}: {rate:.0} submissions/s, {cpu:.3} CPU s of ours per 10,000");
    drop(store);
    administer(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

async fn administer(server: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls).await.unwrap();
    let (done, _) = tokio::join!(
        async move {
            client.batch_execute(sql).await.unwrap();
        },
        connection
    );
    done
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn submission() -> NewSubmission {
    let (submission_id, pseudonym) = (Uuid::now_v7(), Uuid::new_v4());
    let now = OffsetDateTime::now_utc();
    let answers: Vec<_> =
        (0..9).map(|n| json!({"link_id": format!("4425{n}-9"), "code": "LA6569-3", "score": 1})).collect();
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(submission_id.as_bytes());
    hash[16..].copy_from_slice(pseudonym.as_bytes());
    let mut sealed = Vec::with_capacity(1_800);
    while sealed.len() < 1_800 {
        sealed.extend_from_slice(Uuid::new_v4().as_bytes());
    }
    NewSubmission {
        identified: IdentifiedRow {
            submission_id,
            pseudonym,
            study_id: "ONC-301".into(),
            site_id: "H001".into(),
            instrument: "phq-9|1.0".into(),
            answered_at: now,
            sent_at: Some(now),
            received_at: now,
            late: false,
            amends: None,
            content_version: 1,
            content_hash: hash,
            body_sha256: hash,
            sealed: sealed.into(),
            subject_sealed: vec![9; 90],
            pseudonym_key_id: "p1".into(),
        },
        research: ResearchRow {
            answered_at: Some(now),
            answered_year: 2026,
            answers: json!(answers).to_string(),
            scores: json!([{"id": "total", "code": "44261-6", "value": 9, "band": "mild", "missing": 0}])
                .to_string(),
            checks: "[]".into(),
            profile: "limited_data_set",
        },
        delivery_site: Some("H001".into()),
        risk: false,
        alerts: Vec::new(),
        audit: AuditFacts {
            actor: Actor::Subject(pseudonym),
            client: Some("epro-app".into()),
            from_network: Some("192.0.2.0/24".into()),
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        }
        .into(),
        source: Source {
            lane: "submissions",
            queue: "epro.submissions.routine".into(),
            message_id: Uuid::now_v7(),
            headers: HeadersForRedrive::new(|| json!({"epro-attempt": 1})),
            waited: None,
        },
    }
}
