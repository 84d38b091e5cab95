//! The end of a subscription that we end ourselves.

use std::{future::poll_fn, pin::Pin};

use futures_util::Stream as _;
use lapin::options::BasicCancelOptions;
use tokio::time::timeout;

use super::{Consumer, SettleError, finish, hand_over};
use crate::{connection::PATIENCE, delivery::Delivery};

impl Consumer {
    /// From now on [`Consumer::next`] sends no decisions, until [`Consumer::cancel`]. So the subscription fills up,
    /// and a full one is cancelled without a delivery on its way: what a queue hands out while it notes a cancel
    /// reaches nobody, and comes again.
    pub fn keep_back(&mut self) {
        self.keeps_back = true;
    }

    /// Ends the subscription and gives what the client still had in its buffer. Decisions are sent as before, also
    /// about these. Bounded to 5 s. After an error drop it: all that is unsettled comes again.
    pub async fn cancel(&mut self) -> Result<Vec<Delivery>, SettleError> {
        self.keeps_back = false;
        timeout(PATIENCE, self.cancel_line()).await.unwrap_or(Err(SettleError::ChannelGone))
    }

    async fn cancel_line(&mut self) -> Result<Vec<Delivery>, SettleError> {
        let mut buffered = Vec::new();
        let Some(line) = &self.line else { return Err(SettleError::ChannelGone) };
        let cancelled = line.channel.basic_cancel(line.stream.tag(), BasicCancelOptions::default()).await;
        cancelled.map_err(|_| SettleError::ChannelGone)?;
        self.cancelled = true;
        while let Some(line) = &mut self.line
            && let Some(delivery) = poll_fn(|cx| Pin::new(&mut line.stream).poll_next(cx)).await
        {
            buffered.push(self.received(delivery.map_err(|_| SettleError::ChannelGone)?));
        }
        Ok(buffered)
    }

    /// Leaves in order: cancel, release what is undecided, send all decisions, close the channel. Finish and settle
    /// what is in hand first: what is still undecided goes back to the queue, and later decisions about it are
    /// ignored. Bounded to 5 s; after that the channel is closed as it is.
    pub async fn leave(mut self) {
        // Out of time or out of order: dropping the channel closes it, and all goes back.
        let _ = timeout(PATIENCE, self.leave_line()).await;
    }

    async fn leave_line(&mut self) -> Result<(), SettleError> {
        // Giving back while subscribed would only bring it here again.
        if !self.cancelled {
            self.cancel_line().await?.into_iter().for_each(Delivery::release);
        }
        let Some(line) = self.line.take() else { return Err(SettleError::ChannelGone) };
        self.desk.take(&mut self.scratch);
        self.desk.close();
        for (tag, verdict) in self.scratch.drain(..) {
            self.tally.decided(verdict);
            self.ledger.decide(tag, verdict);
        }
        finish(hand_over(&line.channel, &self.ledger.take_rest())?).await?;
        let closed = line.channel.close(200, "left".into()).await;
        closed.map_err(|_| SettleError::ChannelGone)
    }
}
