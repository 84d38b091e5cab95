//! Which publish got which answer.
//!
//! The client library hands a returned message to whichever confirm completes next, not to the
//! one it belongs to. What can be relied on, because one thread of its handles all frames of a
//! channel in order, and the broker sends a return before the confirm of the same message:
//!
//! 1. Returned messages wait in a line, and each completing confirm takes the first one along.
//!    So a confirm that completes *without* a message found the line empty: if its own message
//!    was returned, a confirm that completed earlier carries it.
//! 2. The line is never longer than the number of returned messages whose own confirm is still
//!    to come. So when nothing is in flight the line is empty.
//!
//! Hence: a confirm without a message is held until everything that completed before it has been
//! looked at ([`Answers::drained`]), and then it counts unless its own message was among the
//! returned. A confirm with somebody else's message says nothing yet about its own; it is held
//! until a later one completes without a message, or until nothing is in flight.

use std::collections::HashSet;

use super::PublishError;

/// How a publish came down. The number is the ticket of a returned message that came along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    Ack(Option<u64>),
    Nack(Option<u64>),
}

/// The caller's `Returned` is completed with the routing key, which only it still has.
pub(super) type Answer = Result<(), PublishError>;

/// A publish that has landed, and whoever waits for the answer.
#[derive(Debug)]
struct Held<T> {
    ticket: u64,
    waiting: T,
    /// Only a publish of this number or later proves that the line was emptied since.
    proof: u64,
}

/// The publishes of one channel between their confirm and their answer.
#[derive(Debug)]
pub(super) struct Answers<T> {
    /// Returned messages whose own confirm hasn't been seen.
    returned: HashSet<u64>,
    /// Confirmed without a message.
    clear: Vec<Held<T>>,
    /// Confirmed with somebody else's message.
    displaced: Vec<Held<T>>,
    /// The latest publish that was confirmed without a message.
    newest_clear: Option<u64>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        let (clear, displaced) = (Vec::new(), Vec::new());
        Self { returned: HashSet::new(), clear, displaced, newest_clear: None }
    }
}

impl<T> Answers<T> {
    /// Publish number `number` with `ticket` has come down, while `next` was the number that
    /// the next one would get. Returns the answer if it is known at once.
    pub(super) fn landed(
        &mut self,
        number: u64,
        next: u64,
        ticket: u64,
        waiting: T,
        landing: Landing,
    ) -> Option<(T, Answer)> {
        match landing {
            Landing::Ack(None) => {
                self.newest_clear = self.newest_clear.max(Some(number));
                self.clear.push(Held { ticket, waiting, proof: next });
                None
            }
            Landing::Ack(Some(own)) if own == ticket => Some((waiting, Err(returned()))),
            Landing::Ack(Some(other)) => {
                self.returned.insert(other);
                self.displaced.push(Held { ticket, waiting, proof: next });
                None
            }
            Landing::Nack(message) => {
                self.returned.extend(message.filter(|other| *other != ticket));
                Some((waiting, Err(PublishError::Nacked)))
            }
        }
    }

    /// Everything that had completed has been looked at. `answer` gets what is known by now.
    pub(super) fn drained(&mut self, nothing_in_flight: bool, mut answer: impl FnMut(T, Answer)) {
        for held in self.clear.drain(..) {
            answer(held.waiting, verdict(self.returned.remove(&held.ticket)));
        }
        let newest_clear = self.newest_clear;
        let returned = &mut self.returned;
        let known = |held: &mut Held<T>| {
            nothing_in_flight
                || returned.contains(&held.ticket)
                || newest_clear.is_some_and(|newest| newest >= held.proof)
        };
        let known: Vec<_> = self.displaced.extract_if(.., known).collect();
        for held in known {
            answer(held.waiting, verdict(self.returned.remove(&held.ticket)));
        }
    }

    /// Whether somebody still waits.
    pub(super) fn is_empty(&self) -> bool {
        self.clear.is_empty() && self.displaced.is_empty()
    }
}

fn verdict(was_returned: bool) -> Answer {
    if was_returned { Err(returned()) } else { Ok(()) }
}

fn returned() -> PublishError {
    PublishError::Returned { routing_key: String::new() }
}

#[cfg(test)]
mod tests;
