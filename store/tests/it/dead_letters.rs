//! What was set aside.

use crate::support::chain;
use crate::support::database::Database;
use epro_store::AuditChain;
use epro_store::Bound;
use epro_store::Store;
use epro_store::audit::{Actor, AuditFacts};
use epro_store::dead_letters::{
    Class, DeadLetter, DeadLetterState, DeadLetterSummary, Filter, Mark, Redriven,
};
use epro_store::redrives::NewRedrive;
use serde_json::json;
use uuid::Uuid;

fn unreadable() -> DeadLetter {
    DeadLetter {
        lane: "dead".into(),
        queue: "epro.submissions.routine".into(),
        message_id: Some(Uuid::now_v7()),
        content_sha256: [3; 32],
        class: Class::Unreadable,
        stage: Some("open".into()),
        detail: Some("the seal is broken".into()),
        submission_id: None,
        pseudonym: None,
        site_id: None,
        study_id: None,
        instrument: None,
        received_at: None,
        body: vec![1, 2, 3],
        wrapped: true,
        kind: Some("epro.submission.v1".into()),
        headers: json!({"epro-attempt": 2}),
        audit: AuditFacts::by(Actor::Unknown),
    }
}

/// As a redrive marks one that it has published.
pub(crate) async fn mark(
    store: &Store,
    chain: &mut AuditChain,
    seen: &DeadLetterSummary,
    by: &str,
    reason: &str,
) -> Redriven {
    let by = AuditFacts::from(by);
    let (published, follow_on, outcome) = (true, None, "redriven");
    let mark = Mark { redrive_id: 1, seen, by: &by, reason, published, follow_on, outcome };
    store.mark_redriven(chain, &mark).await.unwrap()
}

#[tokio::test]
async fn a_dead_letter_comes_back_as_it_was_set_aside() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store_as("epro_worker"), AuditChain::new("test"));
    let letter = unreadable();
    let committed = store.set_aside(&mut chain, std::slice::from_ref(&letter), None).await.unwrap();
    assert_eq!(committed.len(), 1);

    let listed = store.dead_letters(&Filter::default()).await.unwrap();
    let shown = store.dead_letter(listed[0].id).await.unwrap().unwrap();
    assert_eq!(shown.summary.class, Class::Unreadable);
    assert_eq!(shown.summary.message_id, letter.message_id);
    assert_eq!(shown.summary.state, DeadLetterState::Open);
    assert_eq!(shown.summary.times, 1);
    assert_eq!(shown.body, letter.body);
    assert_eq!(shown.content_sha256, letter.content_sha256);
    assert!(shown.wrapped);
    assert_eq!(shown.headers, letter.headers);
    assert!(store.dead_letter(listed[0].id + 1).await.unwrap().is_none());
    assert_eq!(
        database.count("audit.event WHERE action = 'submission.set_aside' AND outcome = 'unreadable'").await,
        1
    );
}

#[tokio::test]
async fn a_repeat_counts_and_another_class_content_or_message_is_another_row() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    let letter = unreadable();
    let nameless = DeadLetter { message_id: None, ..letter.clone() };
    let variants = [
        letter.clone(),
        DeadLetter { class: Class::Panicked, ..letter.clone() },
        DeadLetter { content_sha256: [4; 32], ..letter.clone() },
        DeadLetter { lane: "submissions".into(), ..letter.clone() },
        nameless.clone(),
        nameless,
        letter.clone(),
    ];
    store.set_aside(&mut chain, &variants, None).await.unwrap();
    store.set_aside(&mut chain, &[letter], None).await.unwrap();

    let mut times: Vec<i32> =
        store.dead_letters(&Filter::default()).await.unwrap().iter().map(|letter| letter.times).collect();
    times.sort_unstable();
    assert_eq!(times, [1, 1, 1, 2, 3]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 8);
}

#[tokio::test]
async fn setting_aside_forgets_the_suspect_in_the_same_commit() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store_as("epro_worker"), AuditChain::new("test"));
    let key = Uuid::now_v7();
    store.suspect(key, "submissions", Uuid::now_v7()).await.unwrap();
    store.set_aside(&mut chain, &[unreadable()], Some(key)).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 0);
}

#[tokio::test]
async fn who_is_bound_to_a_study_or_a_site_finds_counts_and_redrives_only_what_is_known_to_be_theirs() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    let places = [("ONC-301", "H001"), ("ONC-301", "H002"), ("ONC-302", "H001")];
    let mut letters: Vec<_> = (0..5).map(|_| unreadable()).collect();
    for (letter, (study, site)) in letters.iter_mut().zip(places) {
        (letter.study_id, letter.site_id) = (Some(study.into()), Some(site.into()));
    }
    letters[3].site_id = Some("H001".into());
    store.set_aside(&mut chain, &letters, None).await.unwrap();
    let names = |name: &str| Some(vec![name.to_owned()]);
    let free = Bound::default();
    let study = Bound { studies: names("ONC-301"), ..free.clone() };
    let site = Bound { sites: names("H001"), ..free.clone() };
    let both = Bound { sites: names("H001"), ..study.clone() };
    let none = Bound { studies: Some(Vec::new()), ..free.clone() };
    let by = AuditFacts::by(Actor::Operator("ann".into()));
    for (bound, count) in [(&free, 5), (&study, 2), (&site, 3), (&both, 1), (&none, 0)] {
        let filter = Filter { bound: bound.clone(), ..Filter::default() };
        assert_eq!(store.dead_letters(&filter).await.unwrap().len(), count, "{bound:?}");
        let counted = store.count_dead_letters(&filter).await.unwrap();
        assert_eq!(counted.iter().map(|of| of.count).sum::<i64>(), count as i64, "{bound:?}");
        let wanted =
            NewRedrive { filter: &filter, rate: 50, by: &by, reason: "mended", runner: Uuid::now_v7() };
        let made = store.create_redrive(&mut chain, &wanted).await.unwrap();
        let total = match made {
            Some(id) => store.redrive(id).await.unwrap().unwrap().total,
            None => 0,
        };
        assert_eq!(total, count as i64, "{bound:?}");
    }
    // The first redrive is of all, the second of the study's, the fourth of what is of the study at the site.
    let of = async |redrive: i64| {
        [
            store.redrive_is_within(redrive, &free).await.unwrap(),
            store.redrive_is_within(redrive, &study).await.unwrap(),
            store.redrive_is_within(redrive, &both).await.unwrap(),
        ]
    };
    assert_eq!(of(1).await, [true, false, false]);
    assert_eq!(of(2).await, [true, true, false]);
    assert_eq!(of(4).await, [true, true, true]);
}

#[tokio::test]
async fn the_filter_narrows_and_pages() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    let mut letters: Vec<_> = (0..5).map(|_| unreadable()).collect();
    letters[1].class = Class::Invalid;
    letters[2].site_id = Some("H002".into());
    letters[3].study_id = Some("ONC-302".into());
    letters[4].submission_id = Some(Uuid::from_u128(7));
    store.set_aside(&mut chain, &letters, None).await.unwrap();
    let found = async |filter: Filter| store.dead_letters(&filter).await.unwrap().len();

    assert_eq!(found(Filter::default()).await, 5);
    assert_eq!(found(Filter { class: Some(Class::Invalid), ..Filter::default() }).await, 1);
    assert_eq!(found(Filter { site_id: Some("H002".into()), ..Filter::default() }).await, 1);
    assert_eq!(found(Filter { study_id: Some("ONC-302".into()), ..Filter::default() }).await, 1);
    assert_eq!(found(Filter { submission_id: Some(Uuid::from_u128(7)), ..Filter::default() }).await, 1);
    assert_eq!(found(Filter { lane: Some("submissions".into()), ..Filter::default() }).await, 0);
    assert_eq!(found(Filter { state: Some(DeadLetterState::Redriven), ..Filter::default() }).await, 0);
    let page = store.dead_letters(&Filter { limit: Some(3), ..Filter::default() }).await.unwrap();
    assert_eq!(page.len(), 3);
    assert_eq!(found(Filter { after: Some(page[2].id), ..Filter::default() }).await, 2);
}

#[tokio::test]
async fn a_second_redrive_says_since_when_and_a_return_opens_it_again() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    let letter = unreadable();
    store.set_aside(&mut chain, std::slice::from_ref(&letter), None).await.unwrap();
    let seen = store.dead_letters(&Filter::default()).await.unwrap().remove(0);
    let id = seen.id;

    assert_eq!(mark(&store, &mut chain, &seen, "anna", "the key is back").await, Redriven::Now);
    let shown = store.dead_letter(id).await.unwrap().unwrap().summary;
    assert_eq!(shown.settled_by.as_deref(), Some("operator:anna"));
    assert_eq!(shown.settled_reason.as_deref(), Some("the key is back"));
    let again = mark(&store, &mut chain, &seen, "ben", "why not").await;
    assert_eq!(again, Redriven::Already { at: shown.settled_at.unwrap() });
    assert_eq!(database.count("audit.event WHERE action = 'dead_letter.redriven'").await, 1);
    let absent = DeadLetterSummary { id: id + 1, ..seen };
    assert_eq!(mark(&store, &mut chain, &absent, "anna", "x").await, Redriven::Absent);

    store.set_aside(&mut chain, &[letter], None).await.unwrap();
    let again = store.dead_letter(id).await.unwrap().unwrap().summary;
    assert_eq!((again.state, again.times, again.failed_again), (DeadLetterState::Open, 2, true));
    assert_eq!(mark(&store, &mut chain, &again, "anna", "once more").await, Redriven::Now);
    chain::unbroken(&database).await;
}

#[tokio::test]
async fn what_was_redriven_and_fails_otherwise_or_as_another_message_is_told_apart() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store_as("epro_worker"), AuditChain::new("test"));
    let operator = database.store_as("epro_operator");
    let delivery = DeadLetter { submission_id: Some(Uuid::now_v7()), ..unreadable() };
    let submission = unreadable();
    store.set_aside(&mut chain, &[delivery.clone(), submission.clone()], None).await.unwrap();
    for seen in operator.dead_letters(&Filter::default()).await.unwrap() {
        assert!(!seen.failed_again);
        mark(&operator, &mut AuditChain::new("epro"), &seen, "anna", "mended").await;
    }
    let renewed = DeadLetter { message_id: Some(Uuid::now_v7()), content_sha256: [9; 32], ..delivery };
    let otherwise = DeadLetter { detail: Some("another rule".into()), ..submission };
    store.set_aside(&mut chain, &[renewed.clone(), otherwise], None).await.unwrap();
    let open = Filter { state: Some(DeadLetterState::Open), ..Filter::default() };
    for found in operator.dead_letters(&open).await.unwrap() {
        assert_eq!(found.failed_again, found.message_id == renewed.message_id, "{found:?}");
    }
}

#[tokio::test]
async fn what_was_set_aside_again_since_it_was_looked_at_is_not_settled() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    let letter = unreadable();
    store.set_aside(&mut chain, std::slice::from_ref(&letter), None).await.unwrap();
    let seen = store.dead_letters(&Filter::default()).await.unwrap().remove(0);
    store.set_aside(&mut chain, &[letter], None).await.unwrap();
    assert_eq!(mark(&store, &mut chain, &seen, "anna", "fixed").await, Redriven::CameBack);
    let shown = store.dead_letter(seen.id).await.unwrap().unwrap().summary;
    assert_eq!((shown.state, shown.times, shown.settled_by), (DeadLetterState::Open, 2, None));
    assert!(shown.failed_again);
    let told = database.rows("SELECT outcome FROM audit.event WHERE action = 'dead_letter.redriven'").await;
    let outcomes: Vec<&str> = told.iter().map(|row| row.get(0)).collect();
    assert_eq!(outcomes, ["came_back"], "it was published");
}

#[tokio::test]
async fn of_two_redrives_at_once_one_is_the_first() {
    let mut database = Database::new().await;
    let store = database.store();
    let (mut one, mut two) = (AuditChain::new("one"), AuditChain::new("two"));
    store.set_aside(&mut one, &[unreadable()], None).await.unwrap();
    let seen = store.dead_letters(&Filter::default()).await.unwrap().remove(0);
    let holder = database.one_more_client().await;
    holder.batch_execute("BEGIN; SELECT FROM ops.dead_letter FOR UPDATE").await.unwrap();
    let release = async {
        database.waiting(2).await;
        holder.batch_execute("COMMIT").await.unwrap();
    };
    let (first, second, ()) = tokio::join!(
        mark(&store, &mut one, &seen, "anna", "x"),
        mark(&store, &mut two, &seen, "ben", "y"),
        release
    );
    let outcomes = [first, second];
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Redriven::Now).count(), 1, "{outcomes:?}");
    assert_eq!(database.count("audit.event WHERE action = 'dead_letter.redriven'").await, 1);
}

#[test]
fn the_name_of_each_class_leads_back_to_it() {
    for name in [
        "unreadable",
        "conflict",
        "stale",
        "base_absent",
        "unknown",
        "invalid",
        "refused",
        "quarantined",
        "panicked",
        "broker",
        "hospital_refused",
    ] {
        assert_eq!(name.parse::<Class>().unwrap().as_str(), name);
        assert_eq!(serde_json::to_value(name.parse::<Class>().unwrap()).unwrap(), name);
    }
    assert!("other".parse::<Class>().is_err());
}
