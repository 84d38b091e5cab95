//! What we are built from: listed, allowed, and used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use epro_proving::sbom;
use serde_json::Value;
use time::OffsetDateTime;

use crate::documents;

const MEMBERS: [&str; 8] =
    ["schemas", "broker", "store", "process", "producer-api", "worker", "operator", "proving"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn bill() -> Value {
    let told = Command::new(env!("CARGO")).args(sbom::TREE).current_dir(root()).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let tree = String::from_utf8(told.stdout).unwrap();
    let vendored = sbom::vendored::read(&root()).unwrap();
    sbom::bill(&tree, &text("Cargo.lock"), &vendored, OffsetDateTime::now_utc()).unwrap()
}

#[test]
fn the_bill_of_materials_has_what_cyclonedx_requires_and_each_foreign_crate_with_its_hash_and_licence() {
    let bill = bill();
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"], &bill["version"]),
        (&"CycloneDX".into(), &"1.6".into(), &1.into())
    );
    assert!(bill["serialNumber"].as_str().unwrap().starts_with("urn:uuid:"));
    assert!(
        bill["metadata"]["timestamp"].is_string() && bill["metadata"]["component"]["version"].is_string()
    );
    let mut refs = BTreeSet::from(["epro-relay"]);
    for component in bill["components"].as_array().unwrap() {
        let name = component["name"].as_str().unwrap();
        assert!(["application", "library"].contains(&component["type"].as_str().unwrap()), "{name}");
        assert!(component["version"].is_string() && component["purl"] == component["bom-ref"], "{name}");
        assert!(
            !component["licenses"][0]["expression"].as_str().unwrap().is_empty(),
            "{name} has no licence"
        );
        let hash = component["hashes"][0]["content"].as_str().unwrap_or_default();
        assert!(name.starts_with("epro-") || hash.len() == 64, "{name} has no hash");
        assert!(refs.insert(component["bom-ref"].as_str().unwrap()), "{name} is listed twice");
    }
    for dependency in bill["dependencies"].as_array().unwrap() {
        let uses = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
        uses.for_each(|of| assert!(refs.contains(of.as_str().unwrap()), "{of} is not listed"));
    }
    for name in ["lapin", "tokio-postgres", "rustls", "aws-lc-rs", "axum", "epro-schemas"] {
        assert!(refs.iter().any(|of| of.starts_with(&format!("pkg:cargo/{name}@"))), "{name} is missing");
    }
}

#[test]
fn the_bill_of_materials_has_each_file_of_others_that_is_part_of_a_binary_with_its_hash() {
    let bill = bill();
    let components = bill["components"].as_array().unwrap();
    let files: BTreeSet<&str> =
        components.iter().filter_map(|component| component["properties"][0]["value"].as_str()).collect();
    let folder = "operator/console/vendored";
    let there = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<String> = there
        .map(|name| name.into_string().unwrap())
        .filter(|name| name != "NOTICE.md" && !name.ends_with(".LICENSE"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    assert_eq!(files, there.iter().map(String::as_str).collect::<BTreeSet<&str>>());
    let console = bill["dependencies"].as_array().unwrap().iter();
    let mut console =
        console.filter(|of| of["ref"].as_str().unwrap().starts_with("pkg:cargo/epro-operator@"));
    let used = console.next().unwrap()["dependsOn"].as_array().unwrap();
    for component in components.iter().filter(|component| !component["properties"].is_null()) {
        assert!(
            component["purl"].as_str().unwrap().starts_with("pkg:npm/") && used.contains(&component["purl"])
        );
        assert_eq!(component["hashes"][0]["content"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn no_image_is_of_whatever_version_is_the_latest() {
    let mut files: Vec<PathBuf> = ["Dockerfile", "compose.yaml"].map(|file| root().join(file)).into();
    yaml(&root().join("k8s"), &mut files);
    let (mut images, mut ours) = (0, 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().map(|line| line.trim_start_matches([' ', '-']));
        let named = lines.filter_map(|line| line.strip_prefix("image: ").or(line.strip_prefix("FROM ")));
        for image in named.filter_map(|rest| rest.split(' ').next()) {
            let last = image.rsplit('/').next().unwrap();
            // `kustomize` says which of ours.
            if last == "epro-relay" {
                ours += 1;
                continue;
            }
            images += 1;
            let tag = last.split_once([':', '@']).map(|(_, tag)| tag);
            assert!(tag.is_some_and(|tag| tag != "latest"), "{}: {image}", file.display());
        }
    }
    assert!(images > 6 && ours > 4, "{images} images and {ours} of ours: the files are read wrongly");
}

fn yaml(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            into.push(path);
        }
    }
}

#[test]
fn nothing_that_deny_toml_bans_is_shipped() {
    let (bill, deny) = (bill(), text("deny.toml"));
    let banned: Vec<&str> =
        deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next()).collect();
    assert!(
        banned.contains(&"ring") && banned.contains(&"openssl-sys") && banned.contains(&"rsa"),
        "{banned:?}"
    );
    for component in bill["components"].as_array().unwrap() {
        let name = component["name"].as_str().unwrap();
        assert!(!banned.contains(&name), "{name}");
    }
}

/// Major and minor version.
fn release(version: &str) -> Vec<u64> {
    version.split('.').take(2).map(|part| part.parse().unwrap()).collect()
}

#[test]
fn the_oldest_rust_that_the_readme_names_will_do_for_every_crate_and_is_older_than_that_of_the_image() {
    let (manifest, image) = (text("Cargo.toml"), text("Dockerfile"));
    let oldest = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let oldest = oldest.trim_matches('"');
    assert!(text("README.md").contains(&format!("(Rust {oldest} or newer)")));
    let (_, ours) = image.split_once("/rust:").unwrap();
    assert!(
        release(ours.split('-').next().unwrap()) >= release(oldest),
        "the image is built with an older one"
    );
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let asked = ["metadata", "--locked", "--format-version", "1", "--filter-platform", &platform];
    let told = Command::new(env!("CARGO")).args(asked).current_dir(root()).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let packages = told["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages: they are read wrongly", packages.len());
    for package in packages {
        let wanted = package["rust_version"].as_str().unwrap_or("1.0");
        assert!(release(wanted) <= release(oldest), "{} wants Rust {wanted}", package["name"]);
    }
}

/// All of the Rust of a folder.
fn rust(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Names under `[section]` of a manifest.
fn names<'m>(manifest: &'m str, section: &str) -> Vec<&'m str> {
    let lines = manifest.lines().skip_while(|line| *line != section).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty() && *name != "#"))
        .collect()
}

#[test]
fn the_readme_says_of_each_dependency_what_it_is_for() {
    let (manifest, readme) = (text("Cargo.toml"), text("README.md"));
    let names = names(&manifest, "[workspace.dependencies]");
    let foreign: BTreeSet<&str> = names.into_iter().filter(|name| !name.starts_with("epro-")).collect();
    let rows = documents::rows(&readme, "## Dependencies");
    let cells = rows.iter().map(|row| row.split('|').nth(1).unwrap());
    let told: BTreeSet<&str> = cells.flat_map(|cell| cell.split(',').map(str::trim)).collect();
    assert_eq!(told, foreign);
}

#[test]
fn every_dependency_is_named_by_some_code_of_its_crate() {
    for member in MEMBERS {
        let manifest = text(&format!("{member}/Cargo.toml"));
        let ignored = manifest.lines().find_map(|line| line.strip_prefix("ignored = ")).unwrap_or_default();
        let mut code = String::new();
        rust(&root().join(member).join("src"), &mut code);
        for section in ["[dependencies]", "[dev-dependencies]"] {
            for name in names(&manifest, section) {
                let word = name.replace('-', "_");
                let named = |mark: &str| code.contains(&format!("{word}{mark}"));
                let is_named = ["::", ";", "!", " as "].into_iter().any(named);
                assert!(is_named || ignored.contains(&format!("\"{name}\"")), "{member} does not use {name}");
            }
            rust(&root().join(member).join("tests"), &mut code);
        }
    }
}
