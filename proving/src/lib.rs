//! The independent oracle of epro-relay: real services, real processes, real
//! bytes on the wire, and no code shared with the product. What it knows of the
//! product it knows from the design: routes, tables, queue names, formats.
//!
//! - [`Stack`]: a vhost and a database of their own, our binaries beside them.
//! - [`Proxy`]: a TCP relay that passes, cuts, stalls, slows or half-opens a hop.
//! - [`Client`]: sends submissions and keeps its own log of what it sent.
//! - [`Hand`]: puts messages into queues as intake would, and looks into queues.
//! - [`Inbox`]: a real SMTP server whose mails can be read; [`SmsGateway`]: a gateway for text messages.
//! - [`Issuer`]: publishes the keys of its tokens.
//! - [`SampleHospital`], [`RiskModel`]: foreign systems that behave as they are told and log every call.
//! - [`command_line`]: which arguments of a command would take a secret.
//! - [`mod@conservation`]: what was accepted is stored or set aside, byte for byte.

pub mod bench;
pub mod brokers;
pub mod certificates;
pub mod client;
pub mod command_line;
pub mod conservation;
pub mod database;
pub mod days;
pub mod door_memory;
pub mod evening;
pub mod faults;
mod followed;
pub mod foreign;
pub mod hand;
pub mod http;
pub mod inbox;
pub mod issuer;
mod journal;
pub mod k8s;
pub mod memory;
pub mod own;
pub mod pages;
pub mod proxy;
pub mod raw_http;
mod readme;
pub mod risk_model;
pub mod sample;
pub mod sample_hospital;
pub mod sbom;
pub mod scaling;
pub mod sealed;
pub mod section;
pub mod service;
pub mod services;
mod sheet;
pub mod skipped;
pub mod sms_gateway;
pub mod soak;
pub mod spoil;
pub mod stack;
pub mod synthetic;
pub mod tls;
pub mod tls_front;
pub mod tls_route;
pub mod token;
pub mod trace_receiver;
pub mod until;
pub mod vhost;

pub use client::Client;
pub use conservation::conservation;
pub use database::Database;
pub use hand::Hand;
pub use inbox::Inbox;
pub use issuer::Issuer;
pub use proxy::Proxy;
pub use risk_model::RiskModel;
pub use sample_hospital::SampleHospital;
pub use service::Service;
pub use skipped::skipped;
pub use sms_gateway::SmsGateway;
pub use stack::Stack;
pub use trace_receiver::TraceReceiver;
pub use until::until;
pub use vhost::Vhost;
