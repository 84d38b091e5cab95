//! What the files of the configuration hold. Read by the processes that need it, so that the
//! problems of the files join those of the configuration.

use std::path::Path;

use epro_schemas::instrument::Instruments;
use epro_schemas::key::SecretKey;
use epro_schemas::pseudonym::PseudonymKey;
use epro_schemas::seal::KeyRing;
use jsonwebtoken::DecodingKey;
use zeroize::Zeroizing;

use super::{Algorithm, AuthConfig, AuthKeyConfig, Config, KeysConfig, Problem, secret};

/// The shortest shared secret, in bytes: the output of SHA-256 (RFC 7518, 3.2).
const MIN_SECRET: usize = 32;

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
            Ok(key) => Ok(PseudonymKey::new(id.as_str(), &key)),
            Err(rule) => Err(vec![Problem::new("keys.pseudonym.file", rule)]),
        }
    }
}

impl AuthConfig {
    /// The keys that tokens are verified with, each beside its place in the configuration.
    ///
    /// # Errors
    /// A problem for each file that can't be read or holds no such key, and when none is configured.
    pub fn read_keys(&self) -> Result<Vec<(&AuthKeyConfig, DecodingKey)>, Vec<Problem>> {
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        if self.keys.is_empty() && self.jwks.is_none() {
            problems.push(Problem::new("auth.keys", "at least one is required by this process"));
        }
        for (index, key) in self.keys.iter().enumerate() {
            match key.read() {
                Ok(decoding) => keys.push((key, decoding)),
                Err(rule) => problems.push(Problem::new(format!("auth.keys[{index}].file"), rule)),
            }
        }
        if problems.is_empty() { Ok(keys) } else { Err(problems) }
    }
}

impl AuthKeyConfig {
    /// The key in its file.
    ///
    /// # Errors
    /// Why it can't be read, or what the file has to hold.
    fn read(&self) -> Result<DecodingKey, String> {
        let bytes = std::fs::read(&self.file).map_err(|error| format!("can't be read: {}", error.kind()))?;
        let bytes = Zeroizing::new(bytes);
        let pem = |what: &str| format!("has to hold {what} as PEM");
        match self.algorithm {
            Algorithm::Hs256 => {
                let secret = bytes.trim_ascii_end();
                // A public key is no secret: with one in this place, anybody could sign.
                if secret.len() < MIN_SECRET || secret.starts_with(b"-----BEGIN") {
                    return Err(format!("has to hold a shared secret of at least {MIN_SECRET} bytes"));
                }
                Ok(DecodingKey::from_secret(secret))
            }
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(&bytes).map_err(|_| pem("an RSA public key")),
            Algorithm::Es256 => DecodingKey::from_ec_pem(&bytes).map_err(|_| pem("a P-256 public key")),
            Algorithm::EdDsa => DecodingKey::from_ed_pem(&bytes).map_err(|_| pem("an Ed25519 public key")),
        }
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
    let text = secret::in_file(file)?;
    SecretKey::from_base64(&text).map_err(|error| error.to_string())
}
