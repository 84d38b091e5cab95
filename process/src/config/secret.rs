//! Secrets for foreign systems: in the configuration, or in a file that only the process that needs it reads.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::section::Section;

/// Where a secret is.
#[derive(Debug, Clone)]
pub enum Secret {
    /// In the configuration itself.
    Given(SecretString),
    /// In a file, without its line end. It is read when the secret is needed, so that a new one needs no restart.
    File(PathBuf),
}

impl Secret {
    pub(super) fn read_from(
        section: &mut Section<'_>,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<Self> {
        match (section.text(key), section.path(file_key)) {
            (None, None) => {
                section.problem(key, format!("is required (or {file_key})"));
                None
            }
            (text, path) => Self::one_of(section, (key, text), (file_key, path)),
        }
    }

    /// The same where it may be missing.
    pub(super) fn read_optional(
        section: &mut Section<'_>,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<Self> {
        let (text, path) = (section.text(key), section.path(file_key));
        Self::one_of(section, (key, text), (file_key, path))
    }

    fn one_of(
        section: &mut Section<'_>,
        (key, text): (&str, Option<String>),
        (file_key, path): (&str, Option<PathBuf>),
    ) -> Option<Self> {
        if text.is_some() && path.is_some() {
            section.problem(key, format!("stands beside {file_key}: give one of them"));
            return None;
        }
        let given = text.map(|text| Self::Given(Zeroizing::new(text).as_str().into()));
        given.or(path.map(Self::File))
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// Why its file can't be read.
    pub fn read(&self) -> Result<SecretString, String> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::File(path) => in_file(path).map(|text| text.as_str().into()),
        }
    }
}

/// The text of a file, without its line end; wiped when it goes.
///
/// # Errors
/// Why it can't be read.
pub(super) fn in_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let mut text = text.map_err(|error| format!("can't be read: {}", error.kind()))?;
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}
