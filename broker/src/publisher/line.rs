//! One confirm channel while it lasts.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use lapin::{Channel, Confirmation, Event, options::BasicPublishOptions};
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior, interval, timeout},
};

use super::{Caller, Job, PublisherState, window::Window};
use crate::message::wire::Parcel;

/// Why a line is no longer served.
pub(super) enum End {
    /// Every handle is dropped, and everything is answered.
    Finished,
    /// The channel or connection is gone.
    Lost(String),
}

/// A confirm channel on a connection of its own.
pub(super) struct Line {
    channel: Arc<Channel>,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    connection: deadpool_lapin::Connection,
}

/// A publish that has come down.
pub(super) struct Landed {
    pub(super) number: u64,
    pub(super) ticket: u64,
    pub(super) caller: Caller,
    pub(super) confirmation: lapin::Result<Confirmation>,
}

/// Sends, and waits for whatever lapin says about it. Never dropped while the channel lasts,
/// because it may be the one that carries somebody else's return.
async fn fly(channel: Arc<Channel>, number: u64, job: Job) -> Landed {
    let Job { ticket, parcel, caller } = job;
    Landed { number, ticket, caller, confirmation: send(&channel, parcel).await }
}

async fn send(channel: &Channel, parcel: Parcel) -> lapin::Result<Confirmation> {
    let Parcel { exchange, routing_key, properties, body } = parcel;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let sending = channel.basic_publish(exchange, routing_key, options, &body, properties);
    let confirm = sending.await?;
    drop(body);
    confirm.await
}

impl Line {
    pub(super) fn new(connection: deadpool_lapin::Connection, channel: Channel) -> Self {
        let events = Box::pin(connection.events_listener());
        Self { channel: Arc::new(channel), events, connection }
    }

    /// Publishes what comes in until the line or the work ends. What is then still in flight is
    /// dropped, which its callers read as not confirmed.
    pub(super) async fn serve(
        mut self,
        jobs: &mut mpsc::Receiver<Job>,
        state: &watch::Sender<PublisherState>,
    ) -> End {
        let mut window = Window::new();
        let mut look = interval(Duration::from_secs(1));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.tell(state);
        let end = poll_fn(|cx| {
            while let Poll::Ready(Some(job)) = jobs.poll_recv(cx) {
                // Nobody waits any more, and it isn't sent yet: nobody will miss it.
                if !job.caller.is_gone() {
                    let number = window.number();
                    window.flight.push(fly(self.channel.clone(), number, job));
                }
            }
            let lost = window.drain(cx);
            if self.poll_changes(cx, &mut look) {
                self.tell(state);
            }
            if let Some(why) = lost.or_else(|| self.lost()) {
                return Poll::Ready(End::Lost(why));
            }
            let finished = jobs.is_closed() && jobs.is_empty() && window.is_empty();
            if finished { Poll::Ready(End::Finished) } else { Poll::Pending }
        })
        .await;
        if let End::Finished = end {
            self.close().await;
        }
        end
    }

    /// Whether to look at the connection's state again.
    fn poll_changes(&mut self, cx: &mut Context<'_>, look: &mut Interval) -> bool {
        let mut changed = false;
        while let Poll::Ready(Some(_event)) = self.events.poll_next_unpin(cx) {
            changed = true;
        }
        // Not every way to end is an event; a look a second finds the others.
        while look.poll_tick(cx).is_ready() {
            changed = true;
        }
        changed
    }

    fn tell(&self, state: &watch::Sender<PublisherState>) {
        let now = match self.connection.status().blocked() {
            true => PublisherState::Blocked,
            false => PublisherState::Connected,
        };
        state.send_if_modified(|state| std::mem::replace(state, now) != now);
    }

    fn lost(&self) -> Option<String> {
        let gone = !self.channel.status().connected() || !self.connection.status().connected();
        gone.then(|| "the channel or connection is closed".to_owned())
    }

    async fn close(self) {
        const OK: u16 = 200;
        let closing = async {
            self.channel.close(OK, "done".into()).await?;
            deadpool_lapin::Object::take(self.connection).close(OK, "done".into()).await
        };
        // Nothing is outstanding: a broker that doesn't answer loses nothing.
        let _ = timeout(Duration::from_secs(2), closing).await;
    }
}
