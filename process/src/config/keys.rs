//! `keys`: what bodies are sealed with and what pseudonyms are made with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::section::Section;

/// Names of keys and the files that hold them, 32 bytes in Base64 each.
#[derive(Debug, Clone)]
pub struct KeysConfig {
    /// Id of the key that new seals use; one of `seal_files`.
    pub seal_current: Option<String>,
    /// Key id -> file, of every key that a seal may have been made with.
    pub seal_files: BTreeMap<String, PathBuf>,
    /// Id of the pseudonym key, stored beside each pseudonym.
    pub pseudonym_id: Option<String>,
    /// File of the pseudonym key.
    pub pseudonym_file: Option<PathBuf>,
}

impl KeysConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut seal = section.section("seal");
        let seal_current = seal.text("current");
        let mut files = seal.section("files");
        let mut seal_files = BTreeMap::new();
        for id in files.names() {
            if let Some(path) = files.path_named(&id) {
                seal_files.insert(id, path);
            }
        }
        files.finish();
        if seal_current.as_ref().is_some_and(|id| !seal_files.contains_key(id)) {
            seal.problem("current", "names no key of seal.files");
        }
        seal.finish();
        let mut pseudonym = section.section("pseudonym");
        let pseudonym_id = pseudonym.text("id");
        let pseudonym_file = pseudonym.path("file");
        pseudonym.finish();
        section.finish();
        Self { seal_current, seal_files, pseudonym_id, pseudonym_file }
    }
}
