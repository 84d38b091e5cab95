//! Against the real broker, a virtual host of its own for each test: run `./dev test`.

#![allow(clippy::print_stdout, reason = "tests say what they measured")]

mod alarm;
mod confirms;
mod consumer;
mod publisher;
mod stand;
mod topology;
mod wait;
