//! The shipped instruments and a site's own, read from the folder that the configuration names.

use std::path::Path;

use epro_schemas::instrument::Instruments;

use crate::config::{Config, Problem};

const KEY: &str = "instruments.directory";

/// Every instrument that this process knows.
///
/// # Errors
/// Everything that is wrong with the files, at once.
pub fn load(config: &Config) -> Result<Instruments, Vec<Problem>> {
    let own = match &config.instruments_directory {
        None => Vec::new(),
        Some(directory) => read(directory)
            .map_err(|error| vec![Problem::new(KEY, format!("can't be read: {}", error.kind()))])?,
    };
    Instruments::load(&own)
        .map_err(|error| error.problems.into_iter().map(|problem| Problem::new(KEY, problem)).collect())
}

fn read(directory: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            files.push((name.unwrap_or_default(), std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}
