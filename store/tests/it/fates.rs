//! What the FHIR door is told of a message is what the worker makes of it.

use crate::support::database::Database;
use crate::support::sample::{other_content, sent_again, submission, words};
use epro_store::AuditChain;
use epro_store::responses::{Content, Fate};

#[tokio::test]
async fn a_repeat_is_told_as_the_worker_judges_it_also_by_another_version_of_the_algorithm() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let (door, worker) = (database.store_as("epro_intake"), database.store());
    let first = submission();
    worker.commit_chunk(&mut chain, std::slice::from_ref(&first), None).await.unwrap();
    // The next version hashes everything otherwise.
    let mut the_same_bytes = other_content(&first);
    the_same_bytes.identified.content_version = 2;
    the_same_bytes.identified.body_sha256 = first.identified.body_sha256;
    let mut the_same_hash = sent_again(&first);
    the_same_hash.identified.content_version = 2;
    for (again, fate, verdict) in [
        (first.clone(), Fate::Created, "same delivery"),
        (sent_again(&first), Fate::Repeated, "duplicate"),
        (the_same_bytes, Fate::Repeated, "duplicate"),
        (the_same_hash, Fate::Conflict, "conflict"),
        (other_content(&first), Fate::Conflict, "conflict"),
    ] {
        let row = &again.identified;
        let (version, hash, body_sha256) = (row.content_version, row.content_hash, row.body_sha256);
        let content = Content { version, hash, body_sha256 };
        let told = door.fate(row.submission_id, row.pseudonym, again.source.message_id, &content);
        let told = told.await.unwrap();
        let outcomes = worker.commit_chunk(&mut chain, std::slice::from_ref(&again), None).await.unwrap();
        assert_eq!((told, words(&outcomes)), (Some(fate), vec![verdict]));
    }
}
