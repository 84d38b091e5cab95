//! The seal ring and the pseudonym key, read from the files that the configuration names.

use std::path::Path;

use epro_schemas::key::SecretKey;
use epro_schemas::pseudonym::PseudonymKey;
use epro_schemas::seal::KeyRing;

use crate::config::{KeysConfig, Problem};

/// What bodies are sealed with, and what pseudonyms are made with.
#[derive(Debug)]
pub struct Keys {
    /// Seals and opens envelopes.
    pub seal: KeyRing,
    /// Makes pseudonyms.
    pub pseudonym: PseudonymKey,
}

impl Keys {
    /// Reads every key file.
    ///
    /// # Errors
    /// Everything that is wrong with the keys, at once, by the configuration's path.
    pub fn load(config: &KeysConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut seal_keys = Vec::new();
        for (id, file) in &config.seal_files {
            if let Some(key) = read(&format!("keys.seal.files.{id}"), file, &mut problems) {
                seal_keys.push((id.clone(), key));
            }
        }
        let current = required("keys.seal.current", config.seal_current.as_deref(), &mut problems);
        let pseudonym_id = required("keys.pseudonym.id", config.pseudonym_id.as_deref(), &mut problems);
        let file = required("keys.pseudonym.file", config.pseudonym_file.as_deref(), &mut problems);
        let pseudonym = file.and_then(|file| read("keys.pseudonym.file", file, &mut problems));
        let (Some(current), Some(id), Some(key), []) = (current, pseudonym_id, pseudonym, problems.as_slice()) else {
            return Err(problems);
        };
        let seal = KeyRing::new(current, seal_keys)
            .map_err(|error| vec![Problem::new("keys.seal", error.to_string())])?;
        Ok(Self { seal, pseudonym: PseudonymKey::new(id, &key) })
    }
}

fn required<'a, T: ?Sized>(path: &str, value: Option<&'a T>, problems: &mut Vec<Problem>) -> Option<&'a T> {
    if value.is_none() {
        problems.push(Problem::new(path, "is required by this process"));
    }
    value
}

fn read(path: &str, file: &Path, problems: &mut Vec<Problem>) -> Option<SecretKey> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) => {
            problems.push(Problem::new(path, format!("the file can't be read: {}", error.kind())));
            return None;
        }
    };
    match SecretKey::from_base64(text.trim()) {
        Ok(key) => Some(key),
        Err(error) => {
            problems.push(Problem::new(path, error.to_string()));
            None
        }
    }
}
