//! How much disk is left, as far as that can be known from here: where exports are written, and what may fill
//! PostgreSQL's. The broker tells of its own.

use std::path::Path;

use epro_process::config::{Config, Lane, ObjectsPlace};
use epro_store::server::Server;
use nix::sys::statvfs::statvfs;

use super::Finding;
use crate::instant;

/// Below this the next large export finds no room.
const LEAST: u64 = 2_000_000_000;
/// A slot that keeps as much isn't only behind.
const BEHIND: i64 = 1_000_000_000;

/// The folder that exports are written to.
pub(super) fn exports(config: &Config) -> Option<Finding> {
    let ObjectsPlace::Folder(folder) = &config.exports.place else { return None };
    if !config.worker.lanes.contains(&Lane::Exports) {
        return None;
    }
    judged(folder, free(folder))
}

/// Bytes that we may still write there.
fn free(folder: &Path) -> Option<u64> {
    let disk = statvfs(folder).ok()?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

fn judged(folder: &Path, free: Option<u64>) -> Option<Finding> {
    let folder = folder.display();
    match free {
        Some(LEAST..) => None,
        Some(free) => Some(Finding::new(
            format!("the disk of exports.folder ({folder}) has {} MB left", free / 1_000_000),
            "once it is full exports fail; nothing else does, and no half of a file is left",
            "give it more, or make exports.keep shorter; who wanted an export that failed asks for it again",
        )),
        None => Some(Finding::note(
            format!(
                "exports.folder ({folder}) isn't there, or not on this machine: its disk isn't looked at"
            ),
            "once it is full exports fail; nothing else does",
            "nothing before the first export; else run epro doctor where the workers see that folder",
        )),
    }
}

/// No server tells how much disk it has left; what fills it unseen it does tell.
pub(super) fn database(server: &Server) -> Vec<Finding> {
    let full = "once its disk is full nothing is stored: what is accepted waits in its queue";
    let mut findings = vec![Finding::note(
        format!(
            "the database takes {} MB; how much disk its server has left can't be asked",
            server.size / 1_000_000
        ),
        full,
        "have its volume watched, with an alarm at 80 %",
    )];
    for (slot, kept) in server.slots.iter().filter(|(_, kept)| *kept > BEHIND) {
        findings.push(Finding::new(
            format!(
                "the replication slot {slot}, which nobody reads, keeps {} MB on the database's disk",
                kept / 1_000_000
            ),
            full,
            &format!("bring its reader back, or SELECT pg_drop_replication_slot('{slot}')"),
        ));
    }
    if let Some(since) = server.unarchived {
        findings.push(Finding::new(
            format!("the database's log of writes can't be archived, last at {}", instant::shown(since)),
            full,
            "mend archive_command or its target: its server's log says why; what piled up is archived by itself",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::database::tests::well;
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_wants_an_operator_and_one_that_is_elsewhere_is_only_told() {
        let folder = Path::new("/var/lib/epro/exports");
        assert!(judged(folder, Some(50_000_000_000)).is_none());
        let full = judged(folder, Some(1_234_000_000)).unwrap();
        assert!(full.act && full.finding.contains("1234 MB left"), "{}", full.finding);
        let elsewhere = judged(folder, None).unwrap();
        assert!(!elsewhere.act && elsewhere.finding.contains("isn't looked at"), "{}", elsewhere.finding);
    }

    #[test]
    fn what_fills_the_disk_of_the_database_unseen_wants_an_operator() {
        let server = Server {
            slots: vec![("lazy".into(), 3_000_000_000), ("behind".into(), 5_000_000)],
            unarchived: Some(time::macros::datetime!(2026-11-23 20:03 UTC)),
            ..well()
        };
        let found: Vec<_> = database(&server).into_iter().map(|found| (found.act, found.finding)).collect();
        assert!(!found[0].0 && found[0].1.starts_with("the database takes 5 MB"), "{found:?}");
        assert!(found[1].0 && found[1].1.contains("lazy, which nobody reads, keeps 3000 MB"), "{found:?}");
        assert!(found[2].0 && found[2].1.contains("can't be archived, last at 2026-11-23"), "{found:?}");
        assert_eq!((found.len(), database(&well()).len()), (3, 1), "{found:?}");
    }

    #[test]
    fn what_is_free_is_known_of_a_folder_that_is_there() {
        assert!(free(Path::new("/")).is_some());
        assert!(free(Path::new("/nowhere/at/all")).is_none());
    }
}
