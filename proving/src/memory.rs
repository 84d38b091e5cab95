//! What stands in the memory of a process that this one has started.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context, Result, ensure};

/// The smallest piece that is there or isn't.
const PAGE: usize = 4096;

/// How often these bytes stand in what the process can write to: heap, stacks and data. `None`: nobody may look here
/// (`kernel.yama.ptrace_scope` above 1).
pub fn occurrences(pid: u32, bytes: &[u8]) -> Result<Option<usize>> {
    let memory = match File::open(format!("/proc/{pid}/mem")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
        opened => opened.context("the memory of a process")?,
    };
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).context("what memory it has")?;
    let mut found = 0;
    for (start, end) in maps.lines().filter_map(writable) {
        found += count(&part(&memory, start, end)?, bytes);
    }
    Ok(Some(found))
}

/// From where to where a part goes, if the process can write to it. Of the table in proc(5):
/// `55d4c6a3f000-55d4c6a60000 rw-p 00000000 00:00 0  [heap]`.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let at = |hex: &str| u64::from_str_radix(hex, 16).ok();
    rest.starts_with("rw").then_some((at(start)?, at(end)?))
}

/// The bytes of a part; zeros where it has given one of its pages back meanwhile.
fn part(memory: &File, start: u64, end: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(start))?];
    let mut at = 0;
    while at < bytes.len() {
        match memory.read_at(&mut bytes[at..], start + at as u64) {
            Ok(read) => {
                ensure!(read > 0, "the process has ended");
                at += read;
            }
            Err(_) => at += PAGE,
        }
    }
    Ok(bytes)
}

fn count(within: &[u8], bytes: &[u8]) -> usize {
    within.windows(bytes.len()).filter(|window| *window == bytes).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_memory_is_found_as_often_as_it_does() {
        let word = uuid::Uuid::new_v4().simple().to_string();
        let text = word.repeat(1000);
        let found = occurrences(std::process::id(), word.as_bytes()).unwrap();
        assert!(found.is_some_and(|found| found > 1000), "{found:?} and not the word, too");
        assert_eq!(count(text.as_bytes(), word.as_bytes()), 1000);
        assert!(occurrences(u32::MAX, b"x").is_err());
    }

    #[test]
    fn only_what_can_be_written_to_is_looked_at() {
        let line = |rights: &str| format!("7f10-7f20 {rights} 00000000 00:00 0 ");
        assert_eq!(writable(&line("rw-p")), Some((0x7f10, 0x7f20)));
        assert_eq!(writable(&line("r--p")), None);
        assert_eq!(writable("nothing"), None);
    }
}
