//! What others wrote and is part of a binary without being a crate: files from npm, by the table beside them.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

/// Where the files are, with their table.
const FOLDER: &str = "operator/console/vendored";

/// Licences as the table calls them, and as SPDX does.
const LICENCES: [(&str, &str); 1] = [("Zero-Clause BSD", "0BSD")];

/// A file of a package.
#[derive(Debug)]
pub struct Vendored {
    file: String,
    package: String,
    version: String,
    licence: &'static str,
    sha256: String,
}

/// Those of a checkout.
pub fn read(checkout: &Path) -> Result<Vec<Vendored>> {
    let folder = checkout.join(FOLDER);
    let table = std::fs::read_to_string(folder.join("NOTICE.md")).context("NOTICE.md")?;
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let found = rows.map(|line| hashed(&folder, line)).collect::<Result<Vec<_>>>()?;
    ensure!(!found.is_empty(), "NOTICE.md names no file");
    Ok(found)
}

fn hashed(folder: &Path, line: &str) -> Result<Vendored> {
    let vendored = row(line).with_context(|| format!("NOTICE.md says: {line}"))?;
    let bytes = std::fs::read(folder.join(&vendored.file)).with_context(|| vendored.file.clone())?;
    let sha256 = digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Vendored { sha256, ..vendored })
}

/// One line of the table: file, package, version, licence.
fn row(line: &str) -> Option<Vendored> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, file, package, version, licence, _] = cells.as_slice() else { return None };
    let (named, _) = licence.split_once(',')?;
    Some(Vendored {
        file: file.trim_matches('`').to_owned(),
        package: package.split_once(',')?.0.to_owned(),
        version: (*version).to_owned(),
        licence: LICENCES.into_iter().find(|(name, _)| *name == named)?.1,
        sha256: String::new(),
    })
}

impl Vendored {
    pub(super) fn purl(&self) -> String {
        format!("pkg:npm/{}@{}", self.package, self.version)
    }

    /// The hash is that of the file that is part of the binary, and not of the package.
    pub(super) fn component(&self) -> Value {
        json!({
            "type": "library", "bom-ref": self.purl(), "name": self.package, "version": self.version,
            "purl": self.purl(), "licenses": [{"expression": self.licence}],
            "hashes": [{"alg": "SHA-256", "content": self.sha256}],
            "properties": [{"name": "epro-relay:file", "value": format!("{FOLDER}/{}", self.file)}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_it_is_or_is_an_error() {
        let read =
            row("| `a.min.js` | a.org, `dist/a.min.js` | 2.0.11 | Zero-Clause BSD, `a.LICENSE` |").unwrap();
        assert_eq!((read.file.as_str(), read.licence), ("a.min.js", "0BSD"));
        assert_eq!(read.purl(), "pkg:npm/a.org@2.0.11");
        for line in [
            "| `a.js` | a.org, `dist/a.js` | 2.0.11 | of its own, `a.LICENSE` |",
            "| `a.js` | a.org | 2.0.11 | Zero-Clause BSD, `a.LICENSE` |",
            "| `a.js` | a.org, `dist/a.js` | 2.0.11 |",
        ] {
            assert!(row(line).is_none(), "{line}");
        }
    }
}
