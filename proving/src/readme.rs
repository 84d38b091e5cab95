//! README.md, which shows of the recorded runs what matters most.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::section;

/// Where it is: beside the folder of the documentation.
pub(crate) fn path(docs: &Path) -> PathBuf {
    docs.join("../README.md")
}

/// It, with another section between the marks of that name.
///
/// # Errors
/// If it can't be read or lacks one of the marks.
pub(crate) fn with(docs: &Path, name: &str, section: &str) -> Result<String> {
    let page = std::fs::read_to_string(path(docs)).context("README.md")?;
    section::replaced(&page, name, section)
}
