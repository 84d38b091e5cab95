//! What strangers send: the corpus under fuzz/, spoilt in every way that comes to mind, a bounded number of times.
//!
//! The same in each run, unless `EPRO_SPOIL_SEED` (a number) asks for another and `EPRO_SPOIL_TIMES` for so many times
//! as much: `./dev faults` does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};

/// What goes in where a byte was: whatever breaks a reader that trusts.
const WORDS: [&str; 18] = [
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
    "\u{1c}\r",
    "|^~\\&",
    "🦀",
];

/// Repeated without end: what a reader that follows would follow.
const UNITS: [&str; 9] = ["[", "{\"a\":", "- ", "a: {", "\"", "\\", "0", "&a [*a,", "\u{b}MSH|"];

/// Gives `take` each file of fuzz/corpus/`kind`, then each spoilt in `times` ways, then long repetitions. It says whether
/// the bytes were something to it.
///
/// # Errors
/// What it was given when it panicked; or that no file of the corpus is anything to it.
pub fn corpus(kind: &str, times: usize, take: impl Fn(&[u8]) -> bool) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(kind);
    let (seed, times) =
        (number("EPRO_SPOIL_SEED", 0x9e37_79b9_7f4a_7c15)?, times as u64 * number("EPRO_SPOIL_TIMES", 1)?);
    let take = |bytes: &[u8]| {
        let taken = catch_unwind(AssertUnwindSafe(|| take(bytes)));
        taken.map_err(|_| anyhow!("{kind} panics (seed {seed}) at: {}", bytes.escape_ascii()))
    };
    let mut understood = 0;
    for file in std::fs::read_dir(&folder).with_context(|| format!("the corpus of {kind}"))? {
        let whole = std::fs::read(file?.path())?;
        understood += usize::from(take(&whole)?);
        let mut dice = Dice(seed);
        for _ in 0..times {
            let mut bytes = whole.clone();
            for _ in 0..=dice.below(4) {
                if !bytes.is_empty() {
                    spoil(&mut bytes, &mut dice);
                }
            }
            take(&bytes)?;
        }
    }
    ensure!(understood > 0, "of the corpus of {kind} nothing is understood any more");
    for unit in UNITS {
        take(unit.repeat(100_000 / unit.len()).as_bytes())?;
    }
    Ok(())
}

fn number(name: &str, otherwise: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => {
            text.parse().ok().filter(|number| *number > 0).with_context(|| format!("{name} is no number"))
        }
        Err(_) => Ok(otherwise),
    }
}

/// The same numbers from the same seed (xorshift), which must not be 0.
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
