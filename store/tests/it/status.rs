//! Where a submission stands, for those who may know.

use crate::support::database::Database;
use crate::support::sample::{alerting, amendment, other_content, submission};
use epro_store::AuditChain;
use epro_store::dead_letters::Class;
use epro_store::status::{Access, Standing};
use uuid::Uuid;

fn staff(studies: &[&str], sites: &[&str]) -> Access {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Access::Sites { studies: owned(studies), sites: owned(sites) }
}

#[tokio::test]
async fn the_patient_and_the_sites_staff_see_where_it_stands_and_nobody_else() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    let first = alerting(submission());
    let second = amendment(&first);
    store
        .commit_chunk(&mut chain, &[first.clone(), second.clone(), other_content(&first)], None)
        .await
        .unwrap();
    let (id, subject) = (first.identified.submission_id, first.identified.pseudonym);

    for access in [Access::Subject(subject), staff(&["ONC-301", "x"], &["H001"])] {
        let status = store.submission_status(id, &access).await.unwrap().unwrap();
        assert_eq!(status.status, Standing::Stored);
        assert_eq!(status.amended_by, Some(second.identified.submission_id));
        assert_eq!(status.alerts[0].rule, "item-9");
        assert_eq!(status.hospital.as_ref().unwrap().state, "queued");
        assert_eq!(status.set_aside[0].class, Class::Conflict);
        assert!(status.stored_at.is_some());
        let text = serde_json::to_string(&status).unwrap();
        assert!(!text.contains(&subject.to_string()), "no pseudonym in an answer");
    }
    let strangers = [
        Access::Subject(Uuid::new_v4()),
        staff(&["ONC-302"], &["H001"]),
        staff(&["ONC-301"], &["H002"]),
        staff(&[], &["H001"]),
        staff(&["ONC-301"], &[]),
    ];
    for access in strangers {
        assert!(store.submission_status(id, &access).await.unwrap().is_none(), "{access:?}");
    }
    assert!(store.submission_status(Uuid::now_v7(), &Access::Subject(subject)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_only_set_aside_is_rejected_with_its_reason() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    let base = submission();
    let stale = alerting(amendment(&base));
    store.commit_chunk(&mut chain, &[base.clone(), amendment(&base)], None).await.unwrap();
    store.commit_chunk(&mut chain, std::slice::from_ref(&stale), None).await.unwrap();

    let access = Access::Subject(stale.identified.pseudonym);
    let status = store.submission_status(stale.identified.submission_id, &access).await.unwrap().unwrap();
    assert_eq!(status.status, Standing::Rejected);
    assert_eq!(status.set_aside[0].class, Class::Stale);
    assert_eq!(status.alerts.len(), 1);
    assert_eq!(status.stored_at, None);
}

#[tokio::test]
async fn one_subject_never_sees_what_another_sent_under_the_same_id() {
    let database = Database::new().await;
    let store = database.store();
    let mut chain = AuditChain::new("test");
    let mine = submission();
    let mut theirs = alerting(submission());
    theirs.identified.submission_id = mine.identified.submission_id;
    let conflict = other_content(&theirs);
    store.commit_chunk(&mut chain, &[mine.clone(), theirs, conflict], None).await.unwrap();
    let access = Access::Subject(mine.identified.pseudonym);
    let status = store.submission_status(mine.identified.submission_id, &access).await.unwrap().unwrap();
    assert!(status.alerts.is_empty() && status.set_aside.is_empty());
}
