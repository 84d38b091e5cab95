//! What the files of the configuration hold. Read by the processes that need it, so that the
//! problems of the files join those of the configuration.

use std::path::Path;

use epro_schemas::instrument::Instruments;
use epro_schemas::key::SecretKey;
use epro_schemas::pseudonym::PseudonymKey;
use epro_schemas::seal::KeyRing;
use zeroize::Zeroizing;

use super::{AuthKeyConfig, Config, KeysConfig, Problem};

impl KeysConfig {
    /// The ring that bodies are sealed and opened with.
    ///
    /// # Errors
    /// A problem for each file that can't be read or holds no key, and when none is configured.
    pub fn ring(&self) -> Result<KeyRing, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut keys = Vec::new();
        for (id, file) in &self.seal_files {
            match key(file) {
                Ok(key) => keys.push((id.clone(), key)),
                Err(rule) => problems.push(Problem::new(format!("keys.seal.files.{id}"), rule)),
            }
        }
        let Some(current) = &self.seal_current else {
            problems.push(Problem::new("keys.seal.current", "is required by this process"));
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        KeyRing::new(current, keys).map_err(|error| vec![Problem::new("keys.seal", error.to_string())])
    }

    /// The key that pseudonyms are made with.
    ///
    /// # Errors
    /// A problem when it is not configured, or its file can't be read or holds no key.
    pub fn pseudonym_key(&self) -> Result<PseudonymKey, Vec<Problem>> {
        let (Some(id), Some(file)) = (&self.pseudonym_id, &self.pseudonym_file) else {
            return Err(vec![Problem::new("keys.pseudonym", "id and file are required by this process")]);
        };
        match key(file) {
            Ok(key) => Ok(PseudonymKey::new(id, &key)),
            Err(rule) => Err(vec![Problem::new("keys.pseudonym.file", rule)]),
        }
    }
}

impl AuthKeyConfig {
    /// The bytes of the key's file.
    ///
    /// # Errors
    /// Why it can't be read.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        let bytes = std::fs::read(&self.file).map_err(|error| format!("can't be read: {}", error.kind()))?;
        Ok(Zeroizing::new(bytes))
    }
}

impl Config {
    /// The shipped instruments and those of `instruments.directory`.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub fn instruments(&self) -> Result<Instruments, Vec<Problem>> {
        let at = |rule: String| vec![Problem::new("instruments.directory", rule)];
        let own = match &self.instruments_directory {
            None => Vec::new(),
            Some(directory) => {
                yaml_files(directory).map_err(|error| at(format!("can't be read: {}", error.kind())))?
            }
        };
        Instruments::load(&own).map_err(|error| error.problems.into_iter().flat_map(at).collect())
    }
}

fn yaml_files(directory: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn key(file: &Path) -> Result<SecretKey, String> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| format!("can't be read: {}", error.kind()))?;
    SecretKey::from_base64(&text).map_err(|error| error.to_string())
}
