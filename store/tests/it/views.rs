//! What analysts see.

use crate::support::database::Database;
use crate::support::sample::{amendment, submission};
use epro_store::AuditChain;
use uuid::Uuid;

#[tokio::test]
async fn answers_and_scores_are_one_row_each() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let mut number = submission();
    number.research.answers =
        r#"[{"link_id": "pain", "value": 7}, {"link_id": "yes", "value": true}]"#.into();
    number.research.scores =
        r#"[{"id": "t", "code": "c", "value": null, "band": null, "missing": 2}]"#.into();
    database.store().commit_chunk(&mut chain, &[submission(), number], None).await.unwrap();

    let coded = "research.answer WHERE code = 'LA6569-3' AND score = 1 AND link_id LIKE '4425_-9'";
    assert_eq!(database.count(coded).await, 9);
    assert_eq!(database.count("research.answer WHERE value = '7'::jsonb AND position = 1").await, 1);
    assert_eq!(database.count("research.answer WHERE value = 'true'::jsonb AND position = 2").await, 1);
    assert_eq!(database.count("research.score WHERE value = 9 AND band = 'mild' AND missing = 0").await, 1);
    assert_eq!(database.count("research.score WHERE value IS NULL AND missing = 2").await, 1);
}

#[tokio::test]
async fn only_the_newest_version_of_an_amended_submission_is_the_newest() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = submission();
    let second = amendment(&first);
    let third = amendment(&second);
    let newest = third.identified.submission_id;
    let untouched = submission();
    let chunk = [first, second, third, untouched.clone()];
    database.store().commit_chunk(&mut chain, &chunk, None).await.unwrap();

    assert_eq!(database.count("research.response").await, 4);
    let mut ids: Vec<Uuid> = database
        .rows("SELECT submission_id FROM research.newest_response")
        .await
        .iter()
        .map(|r| r.get(0))
        .collect();
    ids.sort_unstable();
    let mut expected = [newest, untouched.identified.submission_id];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(database.count("research.answer WHERE NOT superseded").await, 18);
    let linked = "research.response n JOIN research.response o ON n.amends_response_id = o.response_id";
    assert_eq!(database.count(linked).await, 2);
}

#[tokio::test]
async fn a_profile_of_years_shows_no_id_that_holds_a_time() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let mut years = submission();
    years.research.profile = "safe_harbor";
    years.research.answered_at = None;
    database.store().commit_chunk(&mut chain, &[years], None).await.unwrap();
    let row = &database
        .rows("SELECT submission_id, answered_at, answered_year, response_id FROM research.response")
        .await[0];
    assert_eq!(row.get::<_, Option<Uuid>>(0), None);
    assert_eq!(row.get::<_, Option<time::OffsetDateTime>>(1), None);
    assert_eq!(row.get::<_, i16>(2), 2026);
    assert!(row.get::<_, Option<Uuid>>(3).is_some());
}
