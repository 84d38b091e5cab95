//! `epro audit`, with the rights of an auditor and no others.

mod audited;
mod copies;
mod edits;

use std::path::PathBuf;
use std::process::Command;

use epro_proving::Stack;
use epro_proving::stack::Plan;
use epro_schemas::audit::digest::Digest;
use epro_schemas::audit::event::Event;
use serde_json::{Value, json};

/// A key pair as an auditor makes one.
pub(crate) fn keys(folder: &std::path::Path, name: &str) -> (PathBuf, PathBuf) {
    let (secret, public) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.pub.pem")));
    let openssl = |arguments: &[&std::ffi::OsStr]| {
        assert!(Command::new("openssl").args(arguments).output().unwrap().status.success());
    };
    openssl(&[
        "genpkey".as_ref(),
        "-algorithm".as_ref(),
        "ed25519".as_ref(),
        "-out".as_ref(),
        secret.as_ref(),
    ]);
    openssl(&[
        "pkey".as_ref(),
        "-in".as_ref(),
        secret.as_ref(),
        "-pubout".as_ref(),
        "-out".as_ref(),
        public.as_ref(),
    ]);
    (secret, public)
}

#[tokio::test]
async fn an_auditor_anchors_exports_and_finds_what_the_owner_of_the_database_changed() {
    let stack = Stack::with(Plan { without_topology: true, ..Plan::default() }).await.unwrap();
    let (secret, public) = keys(stack.folder(), "audit");
    let anchors = stack.folder().join("anchors");
    let login = stack.database().login("epro_auditor").await.unwrap();
    let operator = stack.database().login("epro_operator").await.unwrap();
    let public_keys = json!([public]).to_string();
    let env = [
        ("EPRO__POSTGRES__URL", login.url()),
        ("EPRO__AUDIT__FOLDER", anchors.to_str().unwrap()),
        ("EPRO__AUDIT__SIGNING_KEY_FILE", secret.to_str().unwrap()),
        ("EPRO__AUDIT__PUBLIC_KEY_FILES", &public_keys),
    ];
    let epro = async |line: &[&str]| stack.epro_with(&env, line).await.unwrap();
    let act = async |verb: &str| {
        let line = [verb, "submissions.routine", "--reason", "a reason"];
        let (code, ..) = stack.epro_with(&[("EPRO__POSTGRES__URL", operator.url())], &line).await.unwrap();
        assert_eq!(code, Some(0));
    };
    act("pause").await;
    let (code, out, error) = epro(&["audit", "anchor"]).await;
    assert_eq!(code, Some(0), "{out}{error}");
    act("resume").await;
    let (code, out, error) = epro(&["audit", "anchor", "--json"]).await;
    assert_eq!(code, Some(0), "{out}{error}");
    // The migration, the pause, the resume and the first anchor's own event.
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&said["anchor"], &said["chains"]), (&json!(2), &json!(4)));

    let verify = async || {
        let (code, out, error) = epro(&["audit", "verify", "--json"]).await;
        let said: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
        assert_eq!(code, Some(i32::from(said["holds"] == false)));
        said
    };
    let said = verify().await;
    assert_eq!((&said["holds"], &said["events"], &said["anchors"]), (&json!(true), &json!(5), &json!(2)));

    // Away from the database, without any configuration: the copy, the anchors, the public key.
    let copy = stack.folder().join("copy.ndjson");
    let to = copy.to_str().unwrap();
    let (code, _, error) =
        epro(&["audit", "export", "--out", to, "--reason", "inspection", "--by", "ida"]).await;
    assert_eq!(code, Some(0), "{error}");
    let text = std::fs::read_to_string(&copy).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |action: &str| events.iter().filter(|event| event["action"] == action).collect::<Vec<_>>();
    let [taken] = of("audit.exported")[..] else { panic!("the copy says that it was taken: {text}") };
    assert_eq!((&taken["actor"], &taken["outcome"]), (&json!("operator:ida"), &json!("ok")));
    assert_eq!(taken["details"], json!({"anchor": 2, "format": "ndjson", "reason": "inspection"}));
    let anchored = of("audit.anchored");
    let numbers: Vec<&Value> = anchored.iter().map(|event| &event["details"]["anchor"]).collect();
    assert_eq!(numbers, [&json!(1), &json!(2)]);
    assert!(anchored.iter().all(|event| event["actor"] == "system:epro"), "{anchored:?}");
    let offline_with = |anchors: &std::path::Path, events: &std::path::Path| {
        let mut command = Command::new(epro_proving::service::binary("epro").unwrap());
        command.args(["audit", "verify", "--anchors"]).arg(anchors).arg("--public-key").arg(&public);
        let ran = command.arg("--events").arg(events).env_clear().output().unwrap();
        (ran.status.code(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
    };
    let offline = |events: &std::path::Path| offline_with(&anchors, events);
    let (code, out) = offline(&copy);
    assert!(code == Some(0) && out.starts_with("the trail holds: 6 events"), "{out}");
    // A name that was mistyped isn't a trail without anchors, and a trail without anchors isn't one that holds.
    let mistyped = stack.folder().join("anchor");
    let (code, out) = offline_with(&mistyped, &copy);
    assert!(code == Some(2) && out.contains("--anchors") && out.contains("no such folder"), "{out}");
    std::fs::create_dir(&mistyped).unwrap();
    let untold: Vec<&str> = text.lines().filter(|line| !line.contains("audit.anchored")).collect();
    std::fs::write(&copy, untold.join("\n")).unwrap();
    let (code, out) = offline_with(&mistyped, &copy);
    assert!(code == Some(1) && out.contains("anchor 2 is missing"), "up to which the copy goes: {out}");
    let untold: Vec<&str> = untold.into_iter().filter(|line| !line.contains("audit.exported")).collect();
    std::fs::write(&copy, untold.join("\n")).unwrap();
    let (code, out) = offline_with(&mistyped, &copy);
    assert!(code == Some(1) && out.contains("NO ANCHOR IS THERE"), "{out}");
    std::fs::write(&copy, text.replacen("a reason", "no reason", 1)).unwrap();
    let (code, out) = offline(&copy);
    let told = ", event 1: was changed; no anchor vouches for any before it";
    assert!(code == Some(1) && out.contains(told), "{out}");
    let (code, out, _) = epro(&["audit", "export", "--format", "fhir", "--reason", "inspection"]).await;
    let resources: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, resources.len()), (Some(0), events.len() + 1), "and that this copy was taken");
    for event in &events {
        let id = format!("{}-{}", event["writer"].as_str().unwrap(), event["seq"]);
        let told = resources.iter().find(|resource| resource["id"] == id.as_str()).expect(&id);
        assert_eq!(told["resourceType"], "AuditEvent");
        assert_eq!((&told["recorded"], &told["subtype"][0]["code"]), (&event["at"], &event["action"]));
        assert_eq!(told["agent"][0]["who"]["identifier"]["value"], event["actor"]);
        assert!(told["entity"].to_string().contains(event["hash"].as_str().unwrap()), "{told}");
    }

    // What nobody but the owner can do: a row gone, and nothing else of its chain left.
    let link = stack.database().connect().await.unwrap();
    let gone = "DELETE FROM audit.event WHERE action = 'pause.set' RETURNING writer";
    let writer: uuid::Uuid = link.client.query_one(gone, &[]).await.unwrap().get(0);
    let said = verify().await;
    assert_eq!((&said["holds"], &said["broken"][0]["writer"]), (&json!(false), &json!(writer)));
    assert_eq!(said["broken"][0]["first_bad"], 1);
    // And no new anchor covers it up.
    let (code, _, error) = epro(&["audit", "anchor"]).await;
    assert!(code == Some(1) && error.contains("no longer what anchor 2 says, in 1 chains"), "{error}");
    // An anchor that is deleted is missed, the last one, too.
    std::fs::remove_file(anchors.join("anchor-00000002.json")).unwrap();
    assert_eq!(verify().await["broken_anchors"], json!([{"anchor": 2, "what": "is missing"}]));
}

fn hashed_anew(line: &mut String, change: impl FnOnce(&mut Event)) {
    let mut event: Event = serde_json::from_str(line).unwrap();
    change(&mut event);
    event.hash = event.hashed();
    *line = serde_json::to_string(&event).unwrap();
}

fn renumbered(chain: &mut [String], from: usize) {
    for (seq, line) in (1..).zip(chain).skip(from) {
        hashed_anew(line, |event| event.seq = seq);
    }
}

const FOUR: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, body, wrapped, headers, times)
SELECT 'dead', 'epro.submissions.routine', gen_random_uuid(), sha256('x'), 'unreadable', '\\x00', false, '{}', 1
FROM generate_series(1, 4)";

#[tokio::test]
async fn the_command_names_the_first_bad_event_whatever_was_done_to_a_copy() {
    let stack = Stack::new().await.unwrap();
    let (secret, public) = keys(stack.folder(), "audit");
    let (anchors, copy) = (stack.folder().join("anchors"), stack.folder().join("copy.ndjson"));
    stack.database().connect().await.unwrap().client.batch_execute(FOUR).await.unwrap();
    // One chain of four events.
    let discard = ["dead-letters", "discard", "1", "2", "3", "4", "--yes", "--reason", "test devices"];
    stack.epro(&discard).await.unwrap();
    let env = [
        ("EPRO__AUDIT__FOLDER", anchors.to_str().unwrap()),
        ("EPRO__AUDIT__SIGNING_KEY_FILE", secret.to_str().unwrap()),
    ];
    let export = ["audit", "export", "--out", copy.to_str().unwrap(), "--reason", "inspection"];
    for line in [&["audit", "anchor"][..], &export] {
        let (code, out, error) = stack.epro_with(&env, line).await.unwrap();
        assert_eq!(code, Some(0), "{out}{error}");
    }
    let text = std::fs::read_to_string(&copy).unwrap();
    let whole: Vec<&str> = text.lines().collect();
    let first = whole.iter().position(|line| line.contains("dead_letter.discarded")).unwrap();
    let event: Value = serde_json::from_str(whole[first]).unwrap();
    let verified = |lines: &[String]| {
        std::fs::write(&copy, lines.join("\n")).unwrap();
        let mut command = Command::new(epro_proving::service::binary("epro").unwrap());
        command
            .args(["audit", "verify", "--json", "--anchors"])
            .arg(&anchors)
            .arg("--public-key")
            .arg(&public);
        let ran = command.arg("--events").arg(&copy).env_clear().output().unwrap();
        let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(i32::from(said["holds"] == false)));
        said["broken"].clone()
    };
    type Change = fn(&mut Vec<String>);
    let cases: [(&str, Change, Option<i64>); 10] = [
        ("nothing", |_| (), None),
        ("edited", |chain| chain[1] = chain[1].replace("test devices", "a mistake"), Some(2)),
        ("one deleted", |chain| drop(chain.remove(1)), Some(2)),
        ("one put in", |chain| chain.insert(2, chain[1].clone()), Some(3)),
        ("two exchanged", |chain| chain.swap(1, 2), Some(2)),
        (
            "one said to be behind another, and hashed anew",
            |chain| {
                hashed_anew(&mut chain[1], |event| event.prev_hash = Digest([9; 32]));
            },
            Some(2),
        ),
        (
            "one deleted, those behind it moved up and hashed anew",
            |chain| {
                drop(chain.remove(1));
                renumbered(chain, 1);
            },
            Some(2),
        ),
        (
            "two exchanged, renumbered and hashed anew",
            |chain| {
                chain.swap(1, 2);
                renumbered(chain, 1);
            },
            Some(2),
        ),
        ("the tail cut off", |chain| chain.truncate(2), Some(3)),
        ("all of it lost", Vec::clear, Some(1)),
    ];
    for (what, change, first_bad) in cases {
        let mut lines: Vec<String> = whole.iter().map(|line| (*line).to_owned()).collect();
        let mut chain: Vec<String> = lines.splice(first..first + 4, []).collect();
        change(&mut chain);
        lines.splice(first..first, chain);
        let broken = verified(&lines);
        let found: Vec<(&Value, &Value)> =
            broken.as_array().unwrap().iter().map(|fault| (&fault["writer"], &fault["first_bad"])).collect();
        let expected = first_bad.map(|bad| json!(bad));
        let expected: Vec<(&Value, &Value)> = expected.iter().map(|bad| (&event["writer"], bad)).collect();
        assert_eq!(found, expected, "{what}");
    }
}
