//! What the documents name is there: tests by their names, files by their paths.

use std::path::{Path, PathBuf};

const FOLDERS: [&str; 9] =
    ["schemas", "broker", "store", "process", "producer-api", "worker", "operator", "proving", "fuzz"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A document without its blocks of code.
pub(crate) fn document(name: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs").join(name)).unwrap();
    text.split("```").step_by(2).collect()
}

/// All of our Rust.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| sources_in(&root().join(folder), &mut files));
    files
}

fn sources_in(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources_in(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Whether a word is what tests are called: a sentence.
fn is_a_test(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && word.matches('_').count() > 3
}

/// Looks for every test and every file that the document names; how many they are.
pub(crate) fn named(document: &str) -> (usize, usize) {
    let words = document.split('`').skip(1).step_by(2);
    let all: String = sources().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let (mut tests, mut files) = (0, 0);
    for word in words {
        if is_a_test(word) {
            tests += 1;
            assert!(all.contains(&format!("fn {word}(")), "there is no test {word}");
        } else if FOLDERS.iter().any(|folder| word.starts_with(&format!("{folder}/"))) {
            files += 1;
            assert!(root().join(word).exists(), "there is no {word}");
        }
    }
    (tests, files)
}

/// The rows of the table under a heading, without its own two.
pub(crate) fn rows<'d>(document: &'d str, heading: &str) -> Vec<&'d str> {
    let (_, rest) = document.split_once(heading).unwrap();
    let rows =
        rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).collect()
}
