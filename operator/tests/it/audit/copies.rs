//! Copies of the trail that are older than the last anchor.

use std::io::Read as _;
use std::process::{Command, Stdio};

use epro_store::AuditChain;
use serde_json::{Value, json};
use uuid::Uuid;

use super::audited::{Audited, noted};

/// The writer of the only event of this action.
fn writer(text: &str, action: &str) -> Value {
    let line = text.lines().find(|line| line.contains(action)).unwrap();
    serde_json::from_str::<Value>(line).unwrap()["writer"].clone()
}

fn without(text: &str, actions: &[&str]) -> String {
    let kept = text.lines().filter(|line| !actions.iter().any(|action| line.contains(action)));
    kept.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_copy_holds_with_anchors_that_were_made_later_and_not_if_it_lacks_what_its_own_word_promises() {
    let audited = Audited::new().await;
    audited.act("pause").await;
    audited.anchor().await;
    audited.act("resume").await;
    audited.anchor().await;
    let copy = audited.export().await;
    for verb in ["pause", "resume"] {
        audited.act(verb).await;
        audited.anchor().await;
    }

    let said = audited.verified(&copy, &[]);
    assert_eq!((&said["holds"], &said["until_anchor"]), (&json!(true), &json!(2)), "{said}");
    assert_eq!((&said["anchors"], &said["later_anchors"]), (&json!(4), &json!(2)), "{said}");
    let told = String::from_utf8(audited.offline(&copy, &[]).stdout).unwrap();
    assert!(told.contains("2 later anchors were not asked whether something is missing"), "{told}");
    let strictly = audited.verified(&copy, &["--until-anchor", "4"]);
    assert_eq!(strictly["holds"], false, "whoever says that it goes further is believed: {strictly}");

    let text = std::fs::read_to_string(&copy).unwrap();
    let lost = writer(&text, "pause.ended");
    let broken = |said: &Value| {
        let faults = said["broken"].as_array().unwrap();
        faults.iter().map(|fault| fault["writer"].clone()).collect::<Vec<_>>()
    };
    std::fs::write(&copy, without(&text, &["pause.ended"])).unwrap();
    assert_eq!(broken(&audited.verified(&copy, &[])), std::slice::from_ref(&lost));
    // Whoever takes its word away, too, is asked for everything, and for what the auditor knows that it has to have.
    std::fs::write(&copy, without(&text, &["pause.ended", "audit.exported", "audit.anchored"])).unwrap();
    let said = audited.verified(&copy, &[]);
    assert!(said["holds"] == false && broken(&said).contains(&lost), "{said}");
    assert!(said["extent"].as_str().unwrap().contains("--until-anchor"), "{said}");
    let said = audited.verified(&copy, &["--until-anchor", "2"]);
    assert!(said["holds"] == false && broken(&said).contains(&lost), "{said}");

    // A copy as it was before it said how far it goes.
    std::fs::write(&copy, without(&text, &["audit.exported"])).unwrap();
    assert_eq!(audited.verified(&copy, &[])["holds"], false);
    assert_eq!(audited.verified(&copy, &["--until-anchor", "2"])["holds"], true);
}

#[tokio::test]
async fn a_copy_holds_although_chains_grew_and_an_anchor_was_made_while_it_was_written() {
    let audited = Audited::new().await;
    let store = audited.store();
    // The first chain of a copy, more than a page and than whoever writes it keeps in hand; and the last one.
    let mut first = AuditChain::of(Uuid::from_u128(1), "the first");
    let mut last = AuditChain::of(Uuid::from_u128(u128::MAX), "the last");
    store.record(&mut first, &noted(6_000)).await.unwrap();
    store.record(&mut last, &noted(1)).await.unwrap();
    audited.anchor().await;

    let mut command = Command::new(epro_proving::service::binary("epro").unwrap());
    command.arg("--config").arg(audited.stack.config());
    command.args(["audit", "export", "--reason", "inspection"]).stdout(Stdio::piped());
    let mut export = command.spawn().unwrap();
    let (mut out, mut text) = (export.stdout.take().unwrap(), vec![0]);
    out.read_exact(&mut text).unwrap();
    // It has read a page, and waits until somebody takes it.
    store.record(&mut first, &noted(1)).await.unwrap();
    store.record(&mut last, &noted(1)).await.unwrap();
    audited.anchor().await;
    out.read_to_end(&mut text).unwrap();
    assert!(export.wait().unwrap().success());

    let copy = audited.stack.folder().join("copy.ndjson");
    std::fs::write(&copy, &text).unwrap();
    let said = audited.verified(&copy, &[]);
    assert_eq!((&said["holds"], &said["broken"]), (&json!(true), &json!([])), "{said}");
    assert_eq!((&said["until_anchor"], &said["later_anchors"]), (&json!(1), &json!(1)), "{said}");
}
