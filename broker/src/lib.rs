//! The broker's side of the relay: the only crate that names lapin.
//!
//! Out: [`publisher::Publisher`] hands back a [`Confirmed`] only for a message that the broker
//! has stored. In: a [`consumer::Consumer`] hands out one [`Delivery`] per message, which is
//! settled by value, and acked only against a receipt. [`topology`] names and declares what
//! lies between; [`wait`] parks a message until its time.

#[cfg(test)]
mod asyncapi;
pub mod connection;
pub mod consumer;
pub mod delivery;
pub mod message;
pub mod publisher;
mod secure;
pub mod settle;
pub mod topology;
pub mod wait;

pub use connection::{BrokerUrl, Connection};
pub use consumer::Consumer;
pub use delivery::{Delivery, RawHeaders};
pub use message::{Headers, Message};
pub use publisher::{Confirmed, PublishError, Publisher, PublisherOptions, PublisherState};
pub use topology::Topology;
pub use wait::Tier;
