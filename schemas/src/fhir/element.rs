//! An object of a resource by its elements.

use std::borrow::Cow;

use crate::json::{Entry, Flaw, Json};
use crate::violation::Violations;

/// What every element may have beside its own.
const EVERYWHERE: [&str; 2] = ["id", "extension"];
/// What changes the meaning of the rest for those who understand it.
const MODIFIERS: [&str; 2] = ["modifierExtension", "implicitRules"];

/// The elements of one object.
pub(super) struct Elements<'a> {
    path: String,
    values: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Elements<'a> {
    /// Keeps the elements that are `known`; anything else is a problem. `_birthDate` and the like,
    /// which carry extensions of a primitive, may be there and are left alone.
    pub(super) fn of(entries: Vec<Entry<'a>>, path: &str, known: &[&str], problems: &mut Violations) -> Self {
        let is_known = |name: &str| known.contains(&name) || EVERYWHERE.contains(&name);
        let mut values = Vec::with_capacity(entries.len());
        for (n, entry) in entries.into_iter().enumerate() {
            let name = entry.key.strip_prefix('_').unwrap_or(&entry.key);
            match entry.flaw {
                Some(Flaw::Twice) if is_known(name) => {
                    problems.add(format!("{path}.{name}"), Flaw::Twice.rule());
                }
                Some(flaw) => problems.add(path, format!("element {}: {}", n + 1, flaw.rule())),
                None if MODIFIERS.contains(&name) => {
                    problems.add(format!("{path}.{name}"), "is not understood here");
                }
                None if !is_known(name) => {
                    problems.add(path, format!("element {} is not one of this type", n + 1));
                }
                None if entry.key.starts_with('_') => {}
                None => values.push((entry.key, entry.value)),
            }
        }
        Self { path: path.to_owned(), values }
    }

    /// Reads a value as an object.
    pub(super) fn read(
        value: Json<'a>,
        path: &str,
        known: &[&str],
        problems: &mut Violations,
    ) -> Option<Self> {
        match value {
            Json::Object(entries) => Some(Self::of(entries, path, known, problems)),
            _ => {
                problems.add(path, "must be an object");
                None
            }
        }
    }

    /// FHIRPath of an element.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// An element's value, once.
    pub(super) fn find(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.values.iter().position(|(key, _)| key == name)?;
        Some(self.values.swap_remove(at).1)
    }

    /// The same for one that must be there.
    pub(super) fn take(&mut self, name: &str, problems: &mut Violations) -> Option<Json<'a>> {
        let value = self.find(name);
        if value.is_none() {
            problems.add(self.path(name), "is required");
        }
        value
    }

    /// An element, understood.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        problems: &mut Violations,
        read: impl Fn(Json<'a>) -> Result<T, &'static str>,
    ) -> Option<T> {
        let value = self.find(name)?;
        read(value).map_err(|rule| problems.add(self.path(name), rule)).ok()
    }

    /// An element that must be there, understood.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        problems: &mut Violations,
        read: impl Fn(Json<'a>) -> Result<T, &'static str>,
    ) -> Option<T> {
        let value = self.take(name, problems)?;
        read(value).map_err(|rule| problems.add(self.path(name), rule)).ok()
    }

    /// The elements of a list, each with its FHIRPath.
    pub(super) fn list(&mut self, name: &str, problems: &mut Violations) -> Vec<(String, Json<'a>)> {
        let path = self.path(name);
        match self.find(name) {
            None => Vec::new(),
            Some(Json::Array(values)) if !values.is_empty() => {
                let placed = values.into_iter().enumerate();
                placed.map(|(n, value)| (format!("{path}[{n}]"), value)).collect()
            }
            Some(_) => {
                problems.add(path, "must be a list of at least one");
                Vec::new()
            }
        }
    }

    /// The names of what was not taken.
    pub(super) fn rest(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| name.as_ref())
    }
}
