//! Reading one section of the tree, key by key, so that every problem is found and not the first.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Problem, duration};

/// What is shared by all sections of one read.
#[derive(Default)]
pub(crate) struct Findings {
    /// Everything wrong so far.
    pub(crate) problems: Vec<Problem>,
    /// Paths whose text came from the environment, where everything is text.
    pub(crate) from_environment: BTreeSet<String>,
    /// Paths of every key that was asked for, without those under the user's own names.
    #[cfg(test)]
    pub(crate) known: BTreeSet<String>,
    /// Relative paths are meant from here: the folder of the configuration file.
    pub(crate) base: PathBuf,
}

impl Findings {
    /// Findings to add to.
    pub(crate) fn new(problems: Vec<Problem>, from_environment: BTreeSet<String>, base: PathBuf) -> Self {
        #[allow(clippy::needless_update, reason = "tests have one field more")]
        Self { problems, from_environment, base, ..Self::default() }
    }
}

/// One mapping of the tree. Keys are taken out; what is left at [`Section::finish`] is unknown.
pub(crate) struct Section<'f> {
    path: String,
    entries: Map<String, Value>,
    known: Vec<&'static str>,
    findings: &'f mut Findings,
}

impl<'f> Section<'f> {
    /// The section that `value` is; anything but a mapping (or nothing) is a problem.
    pub(crate) fn new(path: &str, value: Option<Value>, findings: &'f mut Findings) -> Self {
        let path = path.to_owned();
        let value = match value {
            Some(Value::String(text)) if findings.from_environment.contains(&path) => parse_yaml(&text),
            other => other,
        };
        let entries = match value {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(entries)) => entries,
            Some(_) => {
                findings.problems.push(Problem::new(&*path, "has to be a mapping"));
                Map::new()
            }
        };
        Self { path, entries, known: Vec::new(), findings }
    }

    /// The path of a key in this section.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Adds a problem with a key of this section.
    pub(crate) fn problem(&mut self, key: &str, rule: impl Into<String>) {
        let path = self.at(key);
        self.findings.problems.push(Problem::new(path, rule));
    }

    /// The section under a key; absent is empty.
    pub(crate) fn section(&mut self, key: &'static str) -> Section<'_> {
        self.knows(key);
        let value = self.entries.remove(key);
        let path = self.at(key);
        Section::new(&path, value, self.findings)
    }

    /// Names of the keys in a section whose keys are the user's own.
    pub(crate) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// The section under a key that is the user's own.
    pub(crate) fn named(&mut self, key: &str) -> Section<'_> {
        let value = self.entries.remove(key);
        let path = self.at(key);
        Section::new(&path, value, self.findings)
    }

    /// The sections of a list; absent is empty.
    pub(crate) fn each<T>(&mut self, key: &'static str, read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        self.knows(key);
        self.each_named(key, read)
    }

    /// The same under a key that is the user's own.
    pub(crate) fn each_named<T>(&mut self, key: &str, mut read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        let items = self.list_named(key);
        let path = self.at(key);
        let mut out = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let mut section = Section::new(&format!("{path}[{index}]"), Some(item), self.findings);
            out.push(read(&mut section));
            section.finish();
        }
        out
    }

    /// Text; a number or a boolean is a problem. Null is absent.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.knows(key);
        self.text_named(key)
    }

    /// Text under a key that is the user's own.
    pub(crate) fn text_named(&mut self, key: &str) -> Option<String> {
        match self.entries.remove(key)? {
            Value::Null => None,
            Value::String(text) if text.is_empty() => self.wrong(key, "must not be empty"),
            Value::String(text) => Some(text),
            _ => self.wrong(key, "has to be text (put it in quotes)"),
        }
    }

    /// A path; relative ones are meant from the configuration file's folder.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.text(key)?;
        Some(self.findings.base.join(text))
    }

    /// A list of paths, as [`Section::path`].
    pub(crate) fn paths(&mut self, key: &'static str) -> Vec<PathBuf> {
        let texts = self.texts(key);
        texts.into_iter().map(|text| self.findings.base.join(text)).collect()
    }

    /// A place in the configuration file's folder, where nothing says otherwise.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.findings.base.join(name)
    }

    /// A path under a key that is the user's own.
    pub(crate) fn path_named(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text_named(key)?;
        Some(self.findings.base.join(text))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        match self.plain(key) {
            None => default,
            Some(Value::Bool(value)) => value,
            Some(_) => self.wrong(key, "has to be true or false").unwrap_or(default),
        }
    }

    /// A whole number within bounds, both included.
    pub(crate) fn integer(&mut self, key: &'static str, default: u32, least: u32, most: u32) -> u32 {
        let Some(value) = self.plain(key) else { return default };
        match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(n) if (least..=most).contains(&n) => n,
            _ => self
                .wrong(key, &format!("has to be a whole number from {least} to {most}"))
                .unwrap_or(default),
        }
    }

    /// A number above zero and at most `most`.
    pub(crate) fn positive(&mut self, key: &'static str, default: f64, most: f64) -> f64 {
        let Some(value) = self.plain(key) else { return default };
        match value.as_f64() {
            Some(n) if n > 0.0 && n <= most => n,
            _ => self.wrong(key, &format!("has to be a number above 0, at most {most}")).unwrap_or(default),
        }
    }

    /// Whether there is anything under a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| !value.is_null())
    }

    /// A duration of at least `least`.
    pub(crate) fn duration(&mut self, key: &'static str, default: Duration, least: Duration) -> Duration {
        let Some(text) = self.plain(key) else { return default };
        match text.as_str().and_then(duration::parse) {
            Some(value) if value >= least => value,
            Some(_) => {
                self.wrong(key, &format!("has to be at least {}", duration::print(least))).unwrap_or(default)
            }
            None => self.wrong(key, "has to be a duration like 500ms, 2s, 5m, 24h").unwrap_or(default),
        }
    }

    /// One of the words of a fixed list.
    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, default: T, choices: &[(&str, T)]) -> T {
        let Some(text) = self.text(key) else { return default };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => *value,
            None => self.wrong(key, &one_of(choices)).unwrap_or(default),
        }
    }

    /// Some of the words of a fixed list; absent is `default`.
    pub(crate) fn choices<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: &[T],
        choices: &[(&str, T)],
    ) -> Vec<T> {
        if self.entries.get(key).is_none_or(Value::is_null) {
            self.list(key);
            return default.to_vec();
        }
        let mut out = Vec::new();
        for item in self.list(key) {
            match choices.iter().find(|(word, _)| item.as_str() == Some(word)) {
                Some((_, value)) if !out.contains(value) => out.push(*value),
                Some(_) => self.problem(key, "names the same thing twice"),
                None => self.problem(key, format!("each {}", one_of(choices))),
            }
        }
        out
    }

    /// A list of texts; absent is empty.
    pub(crate) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let mut out = Vec::new();
        for item in self.list(key) {
            match item {
                Value::String(text) if !text.is_empty() => out.push(text),
                _ => self.problem(key, "each has to be text"),
            }
        }
        out
    }

    /// Anything that parses from text, as a socket address does.
    pub(crate) fn parsed<T: std::str::FromStr>(&mut self, key: &'static str, default: T, rule: &str) -> T {
        let Some(text) = self.text(key) else { return default };
        match text.parse() {
            Ok(value) => value,
            Err(_) => self.wrong(key, rule).unwrap_or(default),
        }
    }

    fn knows(&mut self, key: &'static str) {
        self.known.push(key);
        #[cfg(test)]
        self.findings.known.insert(self.at(key));
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.entries.keys() {
            let rule = format!("unknown key; known here: {}", self.known.join(", "));
            self.findings.problems.push(Problem::new(self.at(key), rule));
        }
    }

    fn list(&mut self, key: &'static str) -> Vec<Value> {
        self.knows(key);
        self.list_named(key)
    }

    fn list_named(&mut self, key: &str) -> Vec<Value> {
        match self.plain_named(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => self.wrong(key, "has to be a list").unwrap_or_default(),
        }
    }

    /// The value of a key that is no text; from the environment it is read as YAML.
    fn plain(&mut self, key: &'static str) -> Option<Value> {
        self.knows(key);
        self.plain_named(key)
    }

    fn plain_named(&mut self, key: &str) -> Option<Value> {
        let value = self.entries.remove(key)?;
        let path = self.at(key);
        let value = match value {
            Value::String(text) if self.findings.from_environment.contains(&path) => {
                parse_yaml(&text).unwrap_or(Value::String(text))
            }
            other => other,
        };
        if value.is_null() { None } else { Some(value) }
    }

    fn wrong<T>(&mut self, key: &str, rule: &str) -> Option<T> {
        self.problem(key, rule);
        None
    }
}

fn one_of<T>(choices: &[(&str, T)]) -> String {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    format!("has to be one of {}", words.join(", "))
}

/// YAML as a tree; `None` when it is none.
pub(crate) fn parse_yaml(text: &str) -> Option<Value> {
    super::yaml::parse(text).ok()
}
