//! `epro console`: who gets in, who may do what, and what a page says when a server is down.

mod acts;
mod away;
mod bound;
mod browser;
mod crowd;
mod entrance;
mod hospitals;
mod roles;
mod rotation;
mod tls;
mod visitor;

pub(crate) use visitor::Visitor;
