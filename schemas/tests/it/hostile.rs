//! What strangers send: the corpus of fuzz/, spoilt in every way that comes to mind, a bounded number of times. Nothing
//! panics, and nothing takes more than a multiple of what was sent.

use std::path::Path;

use bytes::Bytes;
use epro_schemas::audit::anchor::Anchor;
use epro_schemas::audit::event::Event;
use epro_schemas::envelope::Envelope;
use epro_schemas::fhir::{Bundle, Response};
use epro_schemas::instrument::Instrument;
use epro_schemas::submission::{Submission, split};

/// What goes in where a byte was: whatever breaks a reader that trusts.
const WORDS: [&str; 16] = [
    "\u{0}",
    "[[[[[[[[",
    "{\"a\":",
    "\"",
    "\\ud800",
    "\\u0000",
    "1e999",
    "-",
    "99999999999999999999",
    "null",
    ",",
    "}",
    "\u{feff}",
    "&a *a",
    "\r\n",
    "🦀",
];

/// Reads bytes as one kind of input.
type Reader = fn(&[u8]);

fn readers() -> [(&'static str, usize, Reader); 7] {
    [
        ("submission", 4_000, |bytes| {
            let _ = Submission::parse(bytes);
            let _ = split(bytes, 10);
        }),
        ("fhir", 1_500, |bytes| {
            let _ = Response::parse(bytes);
        }),
        ("bundle", 1_500, |bytes| {
            let _ = Bundle::parse(bytes, 10);
        }),
        ("envelope", 4_000, |bytes| {
            let _ =
                Envelope::decode(Bytes::copy_from_slice(bytes)).map(|envelope| envelope.submission().is_ok());
        }),
        ("instrument", 150, |bytes| {
            let _ = std::str::from_utf8(bytes).map(|text| Instrument::read(text).is_ok());
        }),
        ("audit_event", 4_000, |bytes| {
            let _ = serde_json::from_slice::<Event>(bytes).map(|event| event.hashed());
        }),
        ("anchor", 4_000, |bytes| {
            let _ = Anchor::read(bytes, &[]);
        }),
    ]
}

/// The same numbers in each run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most.max(1) as u64) as usize
    }
}

fn spoil(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let (at, length) = (dice.below(bytes.len()), 1 + dice.below(40));
    let end = (at + length).min(bytes.len());
    match dice.below(6) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let copy = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, copy));
        }
        3 => drop(bytes.splice(at..at, WORDS[dice.below(WORDS.len())].bytes())),
        4 => bytes.truncate(at),
        _ => bytes[at] = [0, 0xff, 0x7f, 0x80][dice.below(4)],
    }
}

#[test]
fn no_reader_panics_whatever_is_done_to_what_it_knows() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (kind, times, read) in readers() {
        let mut seeds = 0;
        for file in std::fs::read_dir(corpus.join(kind)).unwrap() {
            let whole = std::fs::read(file.unwrap().path()).unwrap();
            read(&whole);
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
            for _ in 0..times {
                let mut bytes = whole.clone();
                for _ in 0..=dice.below(4) {
                    if !bytes.is_empty() {
                        spoil(&mut bytes, &mut dice);
                    }
                }
                read(&bytes);
            }
            seeds += 1;
        }
        assert!(seeds > 0, "nothing to begin with for {kind}");
    }
}

#[test]
fn depth_and_repetition_are_refused_and_not_followed() {
    for (_, _, read) in readers() {
        for unit in ["[", "{\"a\":", "- ", "a: {", "\"", "\\", "0", "&a [*a,"] {
            read(unit.repeat(100_000 / unit.len()).as_bytes());
        }
    }
}
