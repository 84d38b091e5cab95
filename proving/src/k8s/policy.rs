//! Rules that hold over all objects together; each says what is wrong in words that name the object.

mod network;
mod pods;
mod references;
mod scaling;

use super::objects::Objects;
use super::settings::Setting;

/// Everything that breaks a rule. `readme` names the secrets that come from outside.
pub fn check(objects: &Objects, settings: &[Setting], readme: &str) -> Vec<String> {
    let mut problems = Vec::new();
    pods::check(objects, settings, &mut problems);
    scaling::check(objects, settings, &mut problems);
    references::check(objects, readme, &mut problems);
    network::check(objects, settings, &mut problems);
    problems
}

/// Connections that all of ours take at their most, and how many PostgreSQL allows, if somebody says so.
pub fn connections(objects: &Objects, settings: &[Setting]) -> Option<(u64, u64)> {
    Some((scaling::taken(objects, settings), scaling::max_connections(objects)?))
}
