//! Key material leaves no copy in memory that is free again.

use std::any::Any;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use epro_process::config::{Config, Secret};
use epro_proving::memory::occurrences;
use epro_schemas::key::SecretKey;
use jsonwebtoken::DecodingKey;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use uuid::Uuid;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Whatever else isn't compiled.
const fn wiped<T: ZeroizeOnDrop>() {}

const _: () = {
    wiped::<SecretKey>();
    wiped::<DecodingKey>();
    // What the files of keys are read into.
    wiped::<Zeroizing<Vec<u8>>>();
    wiped::<Zeroizing<String>>();
    wiped::<Zeroizing<PrivateKeyDer<'static>>>();
};

fn is_wiped<T: ZeroizeOnDrop>(_: &T) {}

#[test]
fn what_holds_a_key_or_a_secret_is_of_a_type_that_wipes_it_when_it_goes() {
    let (config, _) = Config::read(None, []);
    is_wiped(&config.postgres.url);
    is_wiped(&config.broker.url);
    if let Some(url) = &config.broker.management_url {
        is_wiped(url);
    }
    let secret = Secret::Given("planted".into());
    is_wiped(&secret.read().unwrap());
    let Secret::Given(text) = &secret else { panic!("{secret:?}") };
    is_wiped(text);
    assert!(!format!("{secret:?}").contains("planted"));
}

/// How often the password repeats its word: of what nobody wipes some of it is written over, never all.
const TIMES: usize = 256;
/// The test below, as a process of its own is told to run it; which way it reads which file; and what it says then.
const TEST: &str = "wiped::what_was_read_of_a_file_stands_in_memory_only_where_it_is_kept";
const WAY: &str = "EPRO_TEST_WAY";
const FILE: &str = "EPRO_TEST_FILE";
const READ: &str = "the file was read";

#[test]
fn what_was_read_of_a_file_stands_in_memory_only_where_it_is_kept() {
    if let (Ok(way), Ok(file)) = (std::env::var(WAY), std::env::var(FILE)) {
        return read(&way, Path::new(&file));
    }
    let word = Uuid::new_v4().simple().to_string();
    let password: String = (0..TIMES).map(|number| format!("{word}{number:04}")).collect();
    let file = std::env::temp_dir().join(format!("epro-test-{}.url", Uuid::new_v4().simple()));
    std::fs::write(&file, format!("https://epro:{password}@localhost:15671\n")).unwrap();
    let ways = ["unwiped", "secret", "secret kept", "address", "address kept"];
    let found = ways.map(|way| copies(way, &file, &word));
    std::fs::remove_file(&file).unwrap();
    let [Some(unwiped), kept @ ..] = found else {
        return epro_proving::skipped(
            "no process may look at another's memory here (kernel.yama.ptrace_scope)",
        );
    };
    assert!(unwiped > 0, "a copy that nobody wipes is found");
    assert_eq!(kept, [0, 1, 0, 1].map(|copies| Some(copies * TIMES)), "{ways:?}");
}

/// How often the word stands in the memory of a process that has read the file this way.
fn copies(way: &str, file: &Path, word: &str) -> Option<usize> {
    let mut reader = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(WAY, way)
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    let was_read = lines.any(|line| line.unwrap().contains(READ));
    let found = occurrences(reader.id(), word.as_bytes());
    reader.kill().unwrap();
    reader.wait().unwrap();
    assert!(was_read, "{way}");
    found.unwrap()
}

/// In that process: reads the file, keeps what is to be kept, and waits until it is looked at.
fn read(way: &str, file: &Path) {
    let pieces = heap_in_pieces(std::fs::metadata(file).unwrap().len());
    let secret = Secret::File(file.to_path_buf());
    let config = || Config::read_text(&json!({"broker": {"management_url_file": file}}).to_string()).0;
    let mut kept: Option<Box<dyn Any>> = None;
    match way {
        "unwiped" => drop(std::fs::read_to_string(file).unwrap()),
        "secret" => drop(secret.read().unwrap()),
        "secret kept" => kept = Some(Box::new(secret.read().unwrap())),
        "address" => drop(config()),
        "address kept" => kept = Some(Box::new(config())),
        _ => panic!("{way}"),
    }
    let mut said = std::io::stdout();
    writeln!(said, "{READ}").unwrap();
    let _ = std::io::stdin().read(&mut [0]);
    drop((pieces, kept));
}

/// A heap as a process has it that has run for a while: what grows finds no room behind it, and moves.
fn heap_in_pieces(length: u64) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = (0..32).map(|_| vec![1; length as usize]).collect();
    let mut number = 0;
    pieces.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    pieces
}
