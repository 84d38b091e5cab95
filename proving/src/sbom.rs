//! A bill of materials (CycloneDX 1.6, JSON): everything that the three binaries are built from on Linux, in the
//! versions and with the hashes of Cargo.lock, and the files of others that are part of them ([`vendored`]).
//!
//! It goes by `cargo tree`, which knows which features are in use. Cargo.lock alone names more: crates that some crate
//! could have under a feature that nobody turns on.

pub mod vendored;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Builder;
use vendored::Vendored;

/// Whose binary has the console, and so what is vendored for it.
const CONSOLE: &str = "epro-operator";

/// What is shipped.
const SHIPPED: [&str; 3] = [CONSOLE, "epro-producer-api", "epro-worker"];

/// What `cargo` has to be asked. Of the whole workspace, as everything is built.
pub const TREE: [&str; 11] = [
    "tree",
    "--locked",
    "--workspace",
    "--edges",
    "normal",
    "--target",
    "x86_64-unknown-linux-gnu",
    "--prefix",
    "depth",
    "--format",
    "{p}|{l}",
];

/// Name and version.
type Key = (String, String);

#[derive(Debug)]
struct Package {
    licence: String,
    uses: BTreeSet<Key>,
}

/// The bill of what `cargo tree` said, of the text of Cargo.lock and of what is vendored.
pub fn bill(tree: &str, lock: &str, vendored: &[Vendored], now: OffsetDateTime) -> Result<Value> {
    let packages = shipped(read(tree)?)?;
    let hashes = hashes(lock);
    let version = &packages.keys().find(|(name, _)| name == SHIPPED[0]).context("nothing is shipped")?.1;
    let crates = packages.iter().map(|(key, package)| component(key, package, hashes.get(key)));
    let components: Vec<Value> = crates.chain(vendored.iter().map(Vendored::component)).collect();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", serial(lock, vendored)?),
        "version": 1,
        "metadata": {
            "timestamp": now.format(&Rfc3339)?,
            "component": {"type": "application", "bom-ref": "epro-relay", "name": "epro-relay", "version": version},
        },
        "components": components,
        "dependencies": uses(&packages, vendored),
    }))
}

/// Who uses whom.
fn uses(packages: &BTreeMap<Key, Package>, vendored: &[Vendored]) -> Vec<Value> {
    let of = |(key, package): (&Key, &Package)| {
        let mut used: Vec<String> = package.uses.iter().map(purl).collect();
        if key.0 == CONSOLE {
            used.extend(vendored.iter().map(Vendored::purl));
        }
        json!({"ref": purl(key), "dependsOn": used})
    };
    let mut uses: Vec<Value> = packages.iter().map(of).collect();
    uses.extend(vendored.iter().map(|file| json!({"ref": file.purl(), "dependsOn": []})));
    let roots: Vec<String> =
        packages.keys().filter(|(name, _)| SHIPPED.contains(&name.as_str())).map(purl).collect();
    uses.push(json!({"ref": "epro-relay", "dependsOn": roots}));
    uses
}

fn component(key: &Key, package: &Package, hash: Option<&String>) -> Value {
    let kind = if SHIPPED.contains(&key.0.as_str()) { "application" } else { "library" };
    let mut component = json!({
        "type": kind, "bom-ref": purl(key), "name": key.0, "version": key.1, "purl": purl(key),
        "licenses": [{"expression": package.licence}],
    });
    // Ours have none: they are what is built.
    if let Some(hash) = hash {
        component["hashes"] = json!([{"alg": "SHA-256", "content": hash}]);
    }
    component
}

fn purl((name, version): &Key) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// The same for the same Cargo.lock and the same files.
fn serial(lock: &str, vendored: &[Vendored]) -> Result<uuid::Uuid> {
    let files: String = vendored.iter().map(|file| file.component().to_string()).collect();
    let digest = digest(&SHA256, format!("{lock}{files}").as_bytes());
    let bytes = digest.as_ref().first_chunk().context("a digest is longer")?;
    Ok(Builder::from_random_bytes(*bytes).into_uuid())
}

/// Every package with those that it uses, of lines like `2serde v1.0.229|MIT OR Apache-2.0 (*)`.
fn read(tree: &str) -> Result<BTreeMap<Key, Package>> {
    let mut packages: BTreeMap<Key, Package> = BTreeMap::new();
    let mut way: Vec<Key> = Vec::new();
    for text in tree.lines().filter(|text| !text.is_empty()) {
        let (depth, key, licence) = line(text).with_context(|| format!("cargo tree says: {text}"))?;
        way.truncate(depth);
        if let Some(above) = way.last().and_then(|above| packages.get_mut(above)) {
            above.uses.insert(key.clone());
        }
        packages.entry(key.clone()).or_insert(Package { licence, uses: BTreeSet::new() });
        way.push(key);
    }
    Ok(packages)
}

fn line(text: &str) -> Option<(usize, Key, String)> {
    let (depth, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (package, licence) = rest.trim_end_matches(" (*)").split_once('|')?;
    let mut words = package.split(' ');
    let key = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
    // Before there were expressions there was a slash.
    Some((depth.parse().ok()?, key, licence.replace('/', " OR ")))
}

/// Those that are shipped, and whatever they use.
fn shipped(mut all: BTreeMap<Key, Package>) -> Result<BTreeMap<Key, Package>> {
    let mut due: Vec<Key> =
        all.keys().filter(|(name, _)| SHIPPED.contains(&name.as_str())).cloned().collect();
    ensure!(due.len() == SHIPPED.len(), "of what is shipped only {due:?} is there");
    let mut found = BTreeMap::new();
    while let Some(key) = due.pop() {
        if let Some(package) = all.remove(&key) {
            due.extend(package.uses.iter().cloned());
            found.insert(key, package);
        }
    }
    Ok(found)
}

/// SHA-256 of each package that comes from a registry.
fn hashes(lock: &str) -> BTreeMap<Key, String> {
    let value = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.and_then(|line| line.strip_suffix('"')).map(str::to_owned)
    };
    let entry = |package: &str| {
        Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?))
    };
    lock.split("[[package]]").filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0epro-operator v0.1.0 (/x/operator)|MIT OR Apache-2.0
1serde v1.0.2|MIT OR Apache-2.0
2serde_derive v1.0.2 (proc-macro)|MIT/Apache-2.0

0epro-producer-api v0.1.0 (/x/producer-api)|MIT OR Apache-2.0
1serde v1.0.2|MIT OR Apache-2.0 (*)

0epro-proving v0.1.0 (/x/proving)|MIT OR Apache-2.0
1rcgen v0.14.1|MIT

0epro-worker v0.1.0 (/x/worker)|MIT OR Apache-2.0
1zip v9.8.2+c|MIT
2serde v1.0.2|MIT OR Apache-2.0 (*)
";
    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\n\
                        source = \"registry\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"rcgen\"\n";

    #[test]
    fn what_is_shipped_is_listed_once_with_what_it_uses_and_nothing_else_is() {
        let bill = bill(TREE, LOCK, &[], OffsetDateTime::UNIX_EPOCH).unwrap();
        let names: Vec<_> =
            bill["components"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            ["epro-operator", "epro-producer-api", "epro-worker", "serde", "serde_derive", "zip"]
        );
        let serde = &bill["components"][3];
        assert_eq!(serde["hashes"], json!([{"alg": "SHA-256", "content": "00ff"}]));
        assert_eq!(bill["components"][4]["licenses"], json!([{"expression": "MIT OR Apache-2.0"}]));
        assert_eq!(bill["dependencies"][3]["dependsOn"], json!(["pkg:cargo/serde_derive@1.0.2"]));
        assert_eq!(bill["dependencies"][5]["dependsOn"], json!(["pkg:cargo/serde@1.0.2"]));
        assert_eq!(bill["components"][5]["purl"], "pkg:cargo/zip@9.8.2%2Bc");
        assert_eq!(
            bill["serialNumber"],
            super::bill(TREE, LOCK, &[], OffsetDateTime::now_utc()).unwrap()["serialNumber"]
        );
    }

    #[test]
    fn a_tree_without_one_of_the_binaries_is_no_bill() {
        let tree = TREE.replace("0epro-worker", "0epro-another");
        assert!(bill(&tree, LOCK, &[], OffsetDateTime::UNIX_EPOCH).is_err());
    }
}
