//! Nothing of a row, a key or a password in what we print.

use crate::support::database::Database;
use crate::support::sample::{alerting, other_content, submission};
use epro_store::audit::AuditFacts;
use epro_store::dead_letters::{Class, DeadLetter};
use epro_store::migrate;
use epro_store::submissions::HeadersForRedrive;
use epro_store::{AuditChain, DatabaseUrl};
use std::error::Error;

const PLANTED: &str = "Wilhelmina-Planted";

/// Everything that an error could be printed as.
fn printed(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn no_error_of_a_refused_row_holds_a_value_of_it() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    let mut planted = alerting(submission());
    planted.identified.site_id = PLANTED.into();
    planted.identified.study_id = PLANTED.into();
    planted.identified.instrument = PLANTED.into();
    planted.identified.sealed = PLANTED.into();
    planted.research.answers = format!(r#"[{{"link_id": "{PLANTED}"}}]"#);
    planted.research.profile = PLANTED;
    planted.alerts[0].rule = PLANTED.into();
    planted.audit = AuditFacts { client: Some(PLANTED.into()), ..AuditFacts::clone(&planted.audit) }.into();
    planted.source.headers = HeadersForRedrive::new(|| serde_json::json!({ "epro-key": PLANTED }));

    planted.delivery_site = Some(PLANTED.into());
    let mut beside = alerting(submission());
    beside.research.profile = "7";
    store.commit_chunk(&mut chain, &[beside], None).await.unwrap();

    let mut texts = Vec::new();
    let refusals = [
        ("identified.submission", "ADD CONSTRAINT c CHECK (site_id <> 'Wilhelmina-Planted')"),
        ("identified.subject", "ADD CONSTRAINT c CHECK (study_id <> 'Wilhelmina-Planted')"),
        ("ops.alert", "ADD CONSTRAINT c CHECK (rule <> 'Wilhelmina-Planted')"),
        ("audit.event", "ADD CONSTRAINT c CHECK (client <> 'Wilhelmina-Planted')"),
        ("research.submission", "ADD CONSTRAINT c CHECK (length(profile::integer::text) > 0)"),
        ("ops.delivery", "ALTER COLUMN site_id TYPE varchar(4)"),
    ];
    for (table, refusal) in refusals {
        database.run(&format!("ALTER TABLE {table} {refusal}")).await;
        let refused = store.commit_chunk(&mut chain, std::slice::from_ref(&planted), None).await;
        texts.push(printed(&refused.expect_err(refusal)));
        database.run(&format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS c")).await;
    }
    let mut broken = planted.clone();
    broken.research.answers = format!("{{{PLANTED}");
    texts.push(printed(&store.commit_chunk(&mut chain, &[broken], None).await.unwrap_err()));
    let mut nul = planted.clone();
    nul.identified.site_id = format!("{PLANTED}\0").into();
    texts.push(printed(&store.commit_chunk(&mut chain, &[nul], None).await.unwrap_err()));

    texts.push(format!("{planted:?} {:?}", planted.research).replace("profile: \"Wilhelmina-Planted\"", ""));
    for text in &texts {
        assert!(!text.contains(PLANTED) && !text.contains("Failing row"), "{text}");
    }
}

#[tokio::test]
async fn no_error_of_a_refused_dead_letter_holds_a_value_of_it() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    database.run("ALTER TABLE ops.dead_letter ADD CONSTRAINT c CHECK (class <> 'invalid')").await;
    let conflict = other_content(&submission());
    let letter = DeadLetter {
        lane: "submissions".into(),
        queue: PLANTED.into(),
        message_id: None,
        content_sha256: [1; 32],
        class: Class::Invalid,
        stage: Some(PLANTED.into()),
        detail: Some(PLANTED.into()),
        submission_id: None,
        pseudonym: None,
        site_id: Some(PLANTED.into()),
        study_id: None,
        instrument: None,
        received_at: None,
        body: PLANTED.into(),
        wrapped: true,
        kind: Some(PLANTED.into()),
        headers: serde_json::json!({ "k": PLANTED }),
        audit: AuditFacts::clone(&conflict.audit),
    };
    let refused = database.store().set_aside(&mut chain, &[letter], None).await.unwrap_err();
    assert!(!printed(&refused).contains(PLANTED), "{refused}");
    assert!(printed(&refused).contains("23514"), "{refused}");
}

#[tokio::test]
async fn a_password_is_printed_neither_by_the_url_nor_by_what_fails_with_it() {
    for url in [
        "postgres://u:Wilhelmina-Planted@127.0.0.1:1/d",
        "postgres://u:Wilhelmina-Planted@127.0.0.1:x/d",
        "Wilhelmina-Planted",
        "postgres://u:Wilhelmina-Planted@",
        "postgres://u:Wilhelmina-Planted@h/",
    ] {
        match url.parse::<DatabaseUrl>() {
            Ok(url) => {
                assert!(!format!("{url:?}").contains(PLANTED));
                let store = epro_store::Store::open(&url, 1);
                assert!(!format!("{store:?}").contains(PLANTED));
                if format!("{url:?}").contains("127.0.0.1") {
                    assert!(!printed(&migrate::run(&url).await.unwrap_err()).contains(PLANTED));
                    assert!(!printed(&store.ping().await.unwrap_err()).contains(PLANTED));
                }
            }
            Err(error) => assert!(!printed(&error).contains(PLANTED)),
        }
    }
}
