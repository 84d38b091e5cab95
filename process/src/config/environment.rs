//! The environment over the file: `EPRO__BROKER__URL` is `broker.url`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Problem;

/// This process's variables, without those that are no UTF-8: none of them can be ours.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

const PREFIX: &str = "EPRO__";

/// Lays every `EPRO__…` variable over the tree. Gives the paths that it set.
///
/// Names are matched without regard to case; what is new is written in lower case.
pub(crate) fn overlay(
    tree: &mut Value,
    environment: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    let mut ours: Vec<(String, String)> =
        environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    for (name, text) in ours {
        let segments: Vec<&str> = name[PREFIX.len()..].split("__").collect();
        match place(tree, &segments, &text) {
            Some(path) => {
                set.insert(path);
            }
            None => problems.push(Problem::new(name, "names no key (keys are joined by two underscores)")),
        }
    }
    set
}

fn place(tree: &mut Value, segments: &[&str], text: &str) -> Option<String> {
    let mut at = tree;
    let mut path = String::new();
    for segment in segments {
        if segment.is_empty() {
            return None;
        }
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let entries = at.as_object_mut()?;
        let key = entries
            .keys()
            .find(|key| key.eq_ignore_ascii_case(segment))
            .cloned()
            .unwrap_or_else(|| segment.to_ascii_lowercase());
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&key);
        at = entries.entry(key).or_insert(Value::Null);
    }
    *at = Value::String(text.to_owned());
    Some(path)
}
