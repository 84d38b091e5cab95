//! Whether submissions can be accepted: the publisher's state, and the queues they go to.

use std::time::Duration;

use epro_broker::topology::{self, Missing};
use epro_broker::{BrokerUrl, Connection, Publisher, PublisherState, Topology};
use epro_process::health::Part;
use epro_process::shutdown::Shutdown;
use epro_store::pool::Store;

const EVERY: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_secs(1);

/// Why the door is closed, and what to do about it.
pub(crate) fn missing(what: &str) -> String {
    format!("{what} is missing: run `epro topology apply`")
}

/// Follows the publisher's state.
pub(crate) async fn follow_publisher(publisher: Publisher, part: Part, shutdown: Shutdown) {
    let mut state = publisher.watch();
    // The watch must not keep the publisher alive.
    drop(publisher);
    // The first connection takes a moment; that there is none before it is nothing to report.
    let _ = tokio::time::timeout(FIRST, state.wait_for(|state| *state == PublisherState::Connected)).await;
    loop {
        match *state.borrow_and_update() {
            PublisherState::Connected => part.ready(),
            PublisherState::Blocked => part.not_ready("the broker blocks publishers (memory or disk alarm)"),
            PublisherState::Disconnected => part.not_ready("there is no connection to the broker"),
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = shutdown.requested() => return,
        }
    }
}

/// Looks after the queues, by passive declares only.
pub(crate) async fn watch_queues(url: BrokerUrl, part: Part, shutdown: Shutdown) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.requested() => break,
        }
        match look(&url, &mut connection).await {
            Ok(None) => part.ready(),
            Ok(Some(reason)) | Err(reason) => part.not_ready(reason),
        }
    }
    if let Some(connection) = connection {
        connection.close().await;
    }
}

/// What is missing, or why that can't be told.
async fn look(url: &BrokerUrl, kept: &mut Option<Connection>) -> Result<Option<String>, String> {
    let connection = match kept.take().filter(Connection::is_open) {
        Some(connection) => connection,
        None => {
            Connection::open(url, "epro-producer-api readiness").await.map_err(|error| error.to_string())?
        }
    };
    let all = Topology::new(&[], 1.0).check(&connection).await.map_err(|error| error.to_string())?;
    *kept = Some(connection);
    Ok(all.iter().find(|missing| needed(missing)).map(|what| missing(&what.to_string())))
}

/// Only what intake publishes to; the rest is the worker's.
fn needed(missing: &Missing) -> bool {
    match missing {
        Missing::Exchange(name) => name == topology::WORK,
        Missing::Queue(name) => {
            [topology::SUBMISSIONS_URGENT, topology::SUBMISSIONS_ROUTINE].contains(&name.as_str())
        }
    }
}

/// Looks after PostgreSQL, without which submissions are accepted all the same. By itself, as a server that
/// is silent takes long to be found so.
pub(crate) async fn watch_store(store: Store, shutdown: Shutdown) {
    let mut answered = true;
    loop {
        let answer = tokio::select! {
            answer = store.ping() => answer,
            () = shutdown.requested() => return,
        };
        metrics::gauge!("epro_store_up").set(if answer.is_ok() { 1.0 } else { 0.0 });
        match &answer {
            Err(error) if answered => {
                tracing::warn!(
                    %error,
                    "PostgreSQL doesn't answer: submissions are accepted, their status can't be told"
                );
            }
            Ok(()) if !answered => tracing::info!("PostgreSQL answers"),
            _ => {}
        }
        answered = answer.is_ok();
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.requested() => return,
        }
    }
}
