//! Each connection is an open file, and the door needs some for itself: one that runs out of them can't reach the broker
//! or the database any more, nor answer a probe.

use epro_process::config::Problem;

/// For connections to everybody else, the admin port, files and threads.
const BESIDES: usize = 256;

/// A problem if the process may not open so many; no answer where the system doesn't say.
pub(crate) fn fit(connections: usize) -> Result<(), Vec<Problem>> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match soft_limit(&limits) {
        Some(limit) if connections.saturating_add(BESIDES) > limit => Err(vec![Problem::new(
            "intake.connections",
            format!(
                "with {BESIDES} files for all the rest has to fit into the limit of open files, which is {limit}"
            ),
        )]),
        _ => Ok(()),
    }
}

/// Of the table in proc(5): `Max open files  1024  524288  files`.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts_and_none_is_no_limit() {
        let table =
            |soft: &str| format!("Max processes  1  2  processes\nMax open files  {soft}  524288  files\n");
        assert_eq!(soft_limit(&table("1024")), Some(1024));
        assert_eq!(soft_limit(&table("unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }
}
