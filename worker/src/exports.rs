//! Lane `exports`: what somebody asks for in bulk becomes a row; the slots make files of it.
//!
//! The message is a wake-up: it is acked once its row is committed, however long the export then takes.

mod cell;
mod csv;
mod documents;
mod encoder;
mod job;
mod manifest;
mod ndjson;
mod open;
mod pages;
mod part;
mod reports;
pub(crate) mod slots;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Delivery, Publisher};
use epro_schemas::export::{ExportCancel, ExportRequest};
use epro_schemas::kind;
use epro_schemas::seal::KeyRing;
use epro_store::Store;
use uuid::Uuid;

use crate::chains::Chains;
use crate::failure::{Disposition, Failure};
use crate::hold::{GivenUp, Hold, until_done};
use crate::in_flight::{InFlight, guarded};
use crate::lane::{Chunk, Handled, Work};
use crate::said::said;
use crate::settling::Settling;
use crate::starts::{MOST_STARTS, Start, Starts};
use crate::submissions::route::Route;

const LANE: &str = "exports";

/// The work of `epro.exports`.
pub(crate) struct Requests {
    pub store: Store,
    pub publisher: Publisher,
    pub hold: Hold,
    pub chains: Chains,
    pub starts: Starts,
    pub route: Arc<Route>,
    /// How long a request waits for the key that sealed it.
    pub wait_budget: Duration,
}

/// What a message asks for.
enum Asked {
    Export(ExportRequest),
    Cancel(ExportCancel),
}

impl Work for Requests {
    async fn handle(self: Arc<Self>, chunk: Chunk) -> Handled {
        let mut handled = Handled::default();
        for (place, delivery) in chunk.deliveries.into_iter().filter(Delivery::is_live).enumerate() {
            let one = InFlight::new(delivery, place, LANE);
            self.one(one, chunk.suspect, &mut handled).await;
        }
        handled
    }
}

impl Requests {
    async fn one(&self, one: InFlight, again: bool, handled: &mut Handled) {
        let mut start = None;
        if again {
            let key = one.delivery.message_id().unwrap_or(Uuid::nil());
            match self.starts.start(key, LANE, &self.hold).await {
                Ok(counted) => start = Some(counted),
                Err(_) => return handled.undone.push(one.delivery),
            }
        }
        let (suspect, starts) = (start.as_ref().map(Start::key), start.as_ref().map_or(0, Start::count));
        let ring = &self.route.keys.seal;
        let read = || guarded(|| read(&one.delivery, ring));
        let read = if starts < MOST_STARTS { read() } else { Err(Failure::Quarantined) };
        if let Some(start) = start.take_if(|_| matches!(read, Err(Failure::Panicked))) {
            start.stays();
        }
        let undone = handled.undone.len();
        match read {
            Ok(asked) => self.write(one, asked, suspect, handled).await,
            Err(failure) => self.dispose(one, &failure, suspect, handled).await,
        }
        // No commit of a row forgets it.
        if let Some(mut start) = start.filter(|_| handled.undone.len() == undone) {
            start.acquit();
        }
    }

    /// The row is committed, then ack.
    async fn write(&self, one: InFlight, asked: Asked, suspect: Option<Uuid>, handled: &mut Handled) {
        let mut chain = self.chains.take().await;
        let written = match &asked {
            Asked::Export(request) => {
                let id = request.export_id;
                until_done!(self.hold, "export", self.store.request_export(chain.chain(), request))
                    .map(|receipt| (receipt, id, "requested"))
            }
            Asked::Cancel(cancel) => {
                let id = cancel.export_id;
                until_done!(self.hold, "export", self.store.cancel_export(chain.chain(), cancel))
                    .map(|(receipt, cancelled)| (receipt, id, cancelled.as_str()))
            }
        };
        drop(chain);
        match written {
            Ok((receipt, export, outcome)) => {
                tracing::info!(%export, outcome, "an export was asked for, or its end");
                metrics::counter!("epro_export_messages_total", "lane" => LANE, "outcome" => outcome)
                    .increment(1);
                one.delivery.ack(&receipt);
                handled.settled(one.place, None);
            }
            Err(GivenUp::Row(error)) => self.dispose(one, &Failure::Refused(error), suspect, handled).await,
            Err(GivenUp::HoldOver) => handled.undone.push(one.delivery),
        }
    }

    async fn dispose(&self, one: InFlight, failure: &Failure, suspect: Option<Uuid>, handled: &mut Handled) {
        match failure.disposition() {
            // For its key: what it asks for needs nothing else that may still come.
            Disposition::Wait(_) if one.may_wait(self.wait_budget) => {
                let given_up = self.settling().park_all(vec![one]).await;
                handled.undone.extend(given_up.into_iter().map(|one| one.delivery));
            }
            Disposition::SetAside(class) | Disposition::Wait(class) => {
                let given_up = self.settling().set_aside(one, failure, class, suspect, handled).await;
                handled.undone.extend(given_up.map(|one| one.delivery));
            }
            Disposition::Requeue => {
                tracing::warn!(lane = LANE, "gave a delivery back: {}", failure.rule());
                one.delivery.requeue();
            }
        }
    }

    fn settling(&self) -> Settling<'_> {
        Settling {
            lane: LANE,
            counted: "epro_export_messages_total",
            route: &self.route,
            store: &self.store,
            publisher: &self.publisher,
            chains: &self.chains,
            hold: self.hold.clone(),
            parking: self.hold.clone(),
        }
    }
}

/// What it asks for, by its type.
fn read(delivery: &Delivery, ring: &KeyRing) -> Result<Asked, Failure> {
    match delivery.kind() {
        Some(kind::EXPORT) => said(delivery, ring).map(Asked::Export),
        Some(kind::EXPORT_CANCEL) => said(delivery, ring).map(Asked::Cancel),
        _ => Err(Failure::Foreign),
    }
}
