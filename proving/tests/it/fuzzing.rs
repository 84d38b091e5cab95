//! The targets under fuzz/, which no build of the workspace contains: their manifest, their files, their corpus and the
//! tests that run a bounded part of each agree.

use std::collections::BTreeSet;
use std::path::Path;

use crate::documents::{root, sources};

/// The last words of a test that runs a target; `./dev faults` asks for them.
const WORDS: &str = "whatever_is_done_to_what_it_knows";

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The names of what lies in a folder, without their extensions.
fn names(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// What stands between quotes behind `key` in each line that begins with it.
fn quoted<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(key));
    lines.map(|rest| rest.split('"').nth(1).unwrap()).collect()
}

/// The targets by the manifest.
fn targets() -> BTreeSet<String> {
    let manifest = text(&root().join("fuzz/Cargo.toml"));
    let (_, binaries) = manifest.split_once("[[bin]]").unwrap();
    let names: BTreeSet<String> = quoted(binaries, "name = ").into_iter().map(str::to_owned).collect();
    let files: Vec<String> = names.iter().map(|name| format!("fuzz_targets/{name}.rs")).collect();
    let mut paths = quoted(binaries, "path = ");
    paths.sort_unstable();
    assert_eq!(paths, files, "each is in the file of its name");
    names
}

#[test]
fn each_fuzz_target_has_a_corpus_and_a_test_that_dev_faults_runs_longer() {
    let fuzz = root().join("fuzz");
    let targets = targets();
    assert!(targets.len() > 10, "{targets:?}: the manifest is read wrongly");
    assert_eq!(names(&fuzz.join("fuzz_targets")), targets);
    assert_eq!(names(&fuzz.join("corpus")), targets);
    let sources: Vec<String> = sources().iter().map(|path| text(path)).collect();
    for target in &targets {
        assert!(!names(&fuzz.join("corpus").join(target)).is_empty(), "nothing is known to {target}");
        let call = format!("corpus(\"{target}\",");
        let found = sources.iter().find_map(|source| source.split_once(&call));
        let (before, _) = found.unwrap_or_else(|| panic!("no test runs {target}"));
        let test = before.rsplit("fn ").next().unwrap().split('(').next().unwrap();
        assert!(test.ends_with(WORDS), "./dev faults doesn't run {test}");
    }
    let dev = text(&root().join("dev"));
    let (_, run) = dev.split_once("hostile_input() {").unwrap();
    assert!(
        run.split("\n}").next().unwrap().contains(&format!("-- {WORDS}")),
        "./dev faults asks for others"
    );
}

#[test]
fn each_fuzz_target_is_made_of_files_and_a_function_that_are_there() {
    let fuzz = root().join("fuzz");
    let logic: String =
        ["targets.rs", "mllp.rs", "hospital.rs", "risk.rs"].map(|file| text(&fuzz.join(file))).concat();
    for target in targets() {
        let source = text(&fuzz.join("fuzz_targets").join(format!("{target}.rs")));
        let paths = quoted(&source, "#[path = ");
        assert!(!paths.is_empty(), "{target}");
        for path in paths {
            assert!(fuzz.join("fuzz_targets").join(path).is_file(), "{target} names {path}");
        }
        assert!(source.contains(&format!("::{target}(bytes);")), "{target} calls another function");
        let function = format!("pub(crate) fn {target}(bytes: &[u8]) -> bool");
        assert!(logic.contains(&function), "there is no {function}");
    }
}
