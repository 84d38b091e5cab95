//! `exports`: how many run at a time, where their files go, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::Secret;
use super::hospitals::read_url;
use super::section::Section;

/// Bulk exports.
#[derive(Debug, Clone)]
pub struct ExportsConfig {
    /// Exports that run at the same time, over all replicas.
    pub slots: u32,
    /// Most bytes of one file; the last row may go beyond it.
    pub file_size: u64,
    /// How long files are kept. Scaled.
    pub keep: Duration,
    /// Where files are.
    pub place: ObjectsPlace,
}

/// Where the files of exports are.
#[derive(Debug, Clone)]
pub enum ObjectsPlace {
    /// A folder that the workers and the door share.
    Folder(PathBuf),
    /// A bucket of S3, or of what speaks its protocol.
    S3(S3Config),
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Where it is, unless it is Amazon's.
    pub endpoint: Option<Url>,
    /// PEM file of the only certificate authorities that are believed; without one, those of the system are.
    pub ca_file: Option<PathBuf>,
    /// Whether the endpoint may be plain text.
    pub plain: bool,
    /// Our access key's id.
    pub access_key: String,
    /// The key itself, read at the start.
    pub secret_key: Secret,
}

impl ExportsConfig {
    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let slots = section.integer("slots", 2, 1, 64);
        let file_mib = section.integer("file_mib", 64, 1, 4096);
        let day = Duration::from_secs(24 * 3600);
        let keep = section.duration("keep", 7 * day, Duration::from_secs(1));
        let place = ObjectsPlace::read(&mut section, insecure);
        let beside = section.beside("exports");
        section.finish();
        let place = place.unwrap_or(ObjectsPlace::Folder(beside));
        Self { slots, file_size: u64::from(file_mib) << 20, keep, place }
    }
}

impl ObjectsPlace {
    /// What `folder` or `s3` of a section says.
    pub(super) fn read(section: &mut Section<'_>, insecure: bool) -> Option<Self> {
        let (has_folder, has_s3) = (section.has("folder"), section.has("s3"));
        let folder = section.path("folder");
        let s3 = S3Config::read(section.section("s3"), has_s3, insecure);
        if has_folder && has_s3 {
            section.problem("folder", "stands beside s3: give one of them");
        }
        s3.map(Self::S3).or(folder.map(Self::Folder))
    }
}

impl S3Config {
    fn read(mut section: Section<'_>, is_there: bool, insecure: bool) -> Option<Self> {
        if !is_there {
            return None;
        }
        let bucket = section.text("bucket");
        let region = section.text("region").unwrap_or_else(|| "us-east-1".to_owned());
        let access_key = section.text("access_key");
        for (key, missing) in [("bucket", bucket.is_none()), ("access_key", access_key.is_none())] {
            if missing {
                section.problem(key, "is required");
            }
        }
        let secret_key = Secret::read_from(&mut section, "secret_key", "secret_key_file");
        let ca_file = section.path("ca_file");
        let endpoint = match section.has("endpoint") {
            true => read_url(&mut section, "endpoint", ("https", "http"), insecure),
            false => section.text("endpoint").and(None),
        };
        let plain = endpoint.as_ref().is_some_and(|url| url.scheme() == "http");
        section.finish();
        Some(Self {
            bucket: bucket?,
            region,
            endpoint,
            ca_file,
            plain,
            access_key: access_key?,
            secret_key: secret_key?,
        })
    }
}
