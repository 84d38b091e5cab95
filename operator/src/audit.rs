//! `epro audit anchor|verify|export`: the trail vouched for, checked, and copied for whoever asks.

mod anchor;
mod export;
mod place;
mod verify;

pub(crate) use anchor::anchor;
pub(crate) use export::export;
pub(crate) use verify::verify;
