use std::{future::poll_fn, sync::Arc};

use futures_util::future::BoxFuture;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable},
};
use tokio::sync::{Semaphore, oneshot};

use super::*;
use crate::publisher::{Slot, answers::Answer};

fn returned(ticket: i64) -> BasicReturnMessage {
    let mut headers = FieldTable::default();
    headers.insert("epro-ticket".into(), AMQPValue::LongLongInt(ticket));
    let mut delivery = Delivery::mock(0, "".into(), "".into(), false, Vec::new());
    delivery.properties = BasicProperties::default().with_headers(headers);
    BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() }
}

#[derive(Default)]
struct Flights {
    window: Window<BoxFuture<'static, Landed>>,
    answers: Vec<oneshot::Receiver<Answer>>,
}

impl Default for Window<BoxFuture<'static, Landed>> {
    fn default() -> Self {
        Self::new()
    }
}

impl Flights {
    /// One that comes down at the look after `pauses` others; its ticket is its number.
    fn add(&mut self, pauses: u32, confirmation: lapin::Result<Confirmation>) {
        let (answer, answered) = oneshot::channel();
        let slot = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let caller = Caller { answer, _slot: Slot { _slot: slot, _share: None } };
        let number = self.window.number();
        self.answers.push(answered);
        self.window.flight.push(Box::pin(async move {
            for _ in 0..pauses {
                pause().await;
            }
            Landed { number, ticket: number, caller, confirmation }
        }));
    }

    fn drain(&mut self) -> (Option<String>, Vec<Option<Answer>>) {
        let lost = self.window.drain(&mut Context::from_waker(Waker::noop()));
        (lost, self.answers.iter_mut().map(|answer| answer.try_recv().ok()).collect())
    }
}

async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn not_routed() -> Option<Answer> {
    Some(Err(PublishError::Returned { routing_key: String::new() }))
}

#[test]
fn a_pause_in_the_middle_hides_no_returned_message() {
    let mut flights = Flights::default();
    // Looks confirmed, but its message is carried by the last, behind a pause.
    flights.add(0, Ok(Confirmation::Ack(None)));
    flights.add(2, Ok(Confirmation::Ack(None)));
    flights.add(2, Ok(Confirmation::Ack(None)));
    flights.add(0, Ok(Confirmation::Ack(Some(returned(0)))));
    let (lost, answers) = flights.drain();
    assert_eq!(lost, None);
    assert_eq!(answers, [not_routed(), Some(Ok(())), Some(Ok(())), Some(Ok(()))]);
    assert!(flights.window.is_empty());
}

#[test]
fn what_landed_before_the_channel_ended_is_answered_and_the_rest_is_not_confirmed() {
    let mut flights = Flights::default();
    flights.add(0, Ok(Confirmation::Ack(None)));
    flights.add(0, Ok(Confirmation::Ack(Some(returned(3)))));
    flights.add(0, Err(lapin::ErrorKind::MissingHeartbeatError.into()));
    let (lost, answers) = flights.drain();
    assert!(lost.is_some());
    // Nobody can say any more whose return the second one's would have been.
    assert_eq!(answers, [Some(Ok(())), None, Some(Err(PublishError::NotConfirmed))]);
}

#[test]
fn a_returned_message_without_our_ticket_confirms_nobody() {
    let mut flights = Flights::default();
    let mut stranger = returned(0);
    stranger.delivery.properties = BasicProperties::default();
    flights.add(0, Ok(Confirmation::Ack(None)));
    flights.add(0, Ok(Confirmation::Ack(Some(stranger))));
    let (lost, answers) = flights.drain();
    assert!(lost.is_some());
    assert_eq!(answers, [None, Some(Err(PublishError::NotConfirmed))]);
}
