//! What is in flight on one channel, and the look at all that has come down.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{StreamExt, stream::FuturesUnordered, task::AtomicWaker};
use lapin::{Confirmation, message::BasicReturnMessage};

use super::{
    Caller, PublishError,
    answers::{Answers, Landing},
    line::Landed,
};
use crate::message::wire;

pub(super) struct Window<F> {
    pub(super) flight: FuturesUnordered<F>,
    answers: Answers<Caller>,
    next: u64,
    /// Answers can't be told apart any more.
    spoiled: bool,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl<F: Future<Output = Landed>> Window<F> {
    pub(super) fn new() -> Self {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(alarm.clone());
        Self {
            flight: FuturesUnordered::new(),
            answers: Answers::default(),
            next: 0,
            spoiled: false,
            alarm,
            waker,
        }
    }

    /// The number of the next publish on this channel.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flight.is_empty() && self.answers.is_empty()
    }

    /// Looks at everything that has come down, and answers what is known by then. Returns why
    /// the channel can't be used any more, if so.
    ///
    /// Everything: a confirm that completed earlier than one that was looked at put itself in
    /// line for a look earlier, too. `FuturesUnordered` may pause before the end of the line; it
    /// then wakes its task at once, so a pause without a wake is the end.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>) -> Option<String> {
        self.alarm.task.register(cx.waker());
        let mut lost = None;
        loop {
            self.alarm.rang.store(false, Ordering::Release);
            let mut watched = Context::from_waker(&self.waker);
            match self.flight.poll_next_unpin(&mut watched) {
                Poll::Ready(Some(landed)) => lost = self.landed(landed).or(lost),
                Poll::Ready(None) => break,
                Poll::Pending if self.alarm.rang.load(Ordering::Acquire) => {}
                Poll::Pending => break,
            }
        }
        // What a closing channel rejects takes no returned message along.
        let line_is_empty = self.flight.is_empty() && lost.is_none();
        if !self.spoiled {
            self.answers.drained(line_is_empty, Caller::answer);
        }
        lost
    }

    fn landed(&mut self, landed: Landed) -> Option<String> {
        let Landed { number, ticket, caller, confirmation } = landed;
        match landing(confirmation) {
            Ok(landing) => {
                let known = self.answers.landed(number, self.next, ticket, caller, landing);
                known.into_iter().for_each(|(caller, answer)| caller.answer(answer));
                None
            }
            Err(Trouble::Lost(why)) => {
                caller.answer(Err(PublishError::NotConfirmed));
                Some(why)
            }
            Err(Trouble::Spoiled(why)) => {
                self.spoiled = true;
                caller.answer(Err(PublishError::NotConfirmed));
                Some(why.to_owned())
            }
        }
    }
}

/// Why a publish has no answer of the broker.
enum Trouble {
    /// The channel has ended.
    Lost(String),
    /// The answers on this channel can't be told apart: nobody is answered any more.
    Spoiled(&'static str),
}

fn landing(confirmation: lapin::Result<Confirmation>) -> Result<Landing, Trouble> {
    match confirmation {
        Ok(Confirmation::Ack(message)) => returned(message).map(Landing::Ack),
        Ok(Confirmation::Nack(message)) => returned(message).map(Landing::Nack),
        Ok(Confirmation::NotRequested) => Err(Trouble::Spoiled("the channel isn't in confirm mode")),
        Err(error) => Err(Trouble::Lost(error.to_string())),
    }
}

fn returned(message: Option<BasicReturnMessage>) -> Result<Option<u64>, Trouble> {
    let Some(message) = message else { return Ok(None) };
    match wire::ticket(&message.properties) {
        Some(ticket) => Ok(Some(ticket)),
        None => Err(Trouble::Spoiled("a message came back without its ticket")),
    }
}

/// Wakes the task, and remembers that it did.
#[derive(Default)]
struct Alarm {
    rang: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests;
