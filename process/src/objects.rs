//! Object storage: the folder or the bucket that the files of exports are in, or the anchors of the audit trail.
//!
//! An object is there whole or not at all: a folder's files are written beside and renamed, a bucket's parts
//! become an object when the last one is there.

use std::fmt;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Certificate, ClientOptions, ObjectStore, ObjectStoreExt as _, PutMode, RetryConfig};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncWriteExt as _;

use crate::config::{ObjectsPlace, Problem, S3Config};

/// What is sent to S3 at once; it takes no less but for the last.
const SENT: usize = 5 << 20;
/// What is written to a file at once.
const WRITTEN: usize = 64 << 10;
/// Pieces of one object that are under way at once.
const PIECES: usize = 2;
/// How long S3 may be asked again for one call before it counts as away.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may take, and a read or a write.
const ANSWER: Duration = Duration::from_secs(30);

/// Where objects are. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Bucket(Arc<dyn ObjectStore>),
}

/// Why the storage did not do what it was asked: a kind, never a path or what a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectsError {
    /// The object isn't there.
    Absent,
    /// The storage refuses us.
    Denied,
    /// No room is left.
    Full,
    /// Anything else, by the name of its kind.
    Away(String),
}

impl fmt::Display for ObjectsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("the file isn't in the object storage"),
            Self::Denied => f.write_str("the object storage refuses access"),
            Self::Full => f.write_str("the object storage is full"),
            Self::Away(kind) => write!(f, "the object storage can't be used: {kind}"),
        }
    }
}

impl std::error::Error for ObjectsError {}

impl From<object_store::Error> for ObjectsError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error;
        match &error {
            Error::NotFound { .. } => return Self::Absent,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => return Self::Denied,
            _ => {}
        }
        if let Some(io) = Self::within(&error) {
            return io;
        }
        Self::Away("it doesn't answer, or not as it should".to_owned())
    }
}

impl ObjectsError {
    fn from_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, StorageFull};
        match error.kind() {
            NotFound => Self::Absent,
            PermissionDenied => Self::Denied,
            StorageFull | QuotaExceeded => Self::Full,
            kind => {
                // What the system itself said may lie within, several layers deep.
                let within = error.get_ref().and_then(|inner| Self::within(inner));
                within.unwrap_or_else(|| Self::Away(kind.to_string()))
            }
        }
    }

    /// What the first error of the system in a chain of causes says.
    fn within(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        match error.downcast_ref::<std::io::Error>() {
            Some(io) => Some(Self::from_io(io)),
            None => Self::within(error.source()?),
        }
    }
}

impl Objects {
    /// Prepares to use a place. A folder is made when something is first written.
    ///
    /// # Errors
    /// What is wrong with the configuration of a bucket, under `path` (the section of the configuration).
    pub fn new(place: &ObjectsPlace, path: &str) -> Result<Self, Vec<Problem>> {
        let place = match place {
            ObjectsPlace::Folder(folder) => Place::Folder(folder.clone()),
            ObjectsPlace::S3(config) => Place::Bucket(Arc::new(bucket(config, path)?)),
        };
        Ok(Self { place })
    }

    /// Begins an object; nobody sees it before [`ObjectWriter::finish`].
    ///
    /// # Errors
    /// Why a folder can't be made.
    pub fn write(&self, object: &str) -> Result<ObjectWriter, ObjectsError> {
        let piece = match &self.place {
            Place::Folder(folder) => {
                // What identifies patients may lie there: for this user only, unless somebody made it otherwise.
                let mut private = std::fs::DirBuilder::new();
                let made = private.recursive(true).mode(0o700).create(folder);
                made.map_err(|error| ObjectsError::from_io(&error))?;
                WRITTEN
            }
            Place::Bucket(_) => SENT,
        };
        let writer = BufWriter::with_capacity(self.store()?, Path::from(object), piece);
        Ok(ObjectWriter { writer: Some(writer.with_max_concurrency(PIECES)) })
    }

    /// Some bytes of an object.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn read(&self, object: &str, range: Range<u64>) -> Result<Bytes, ObjectsError> {
        Ok(self.store()?.get_range(&Path::from(object), range).await?)
    }

    /// Deletes one object.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn delete(&self, object: &str) -> Result<(), ObjectsError> {
        Ok(self.store()?.delete(&Path::from(object)).await?)
    }

    /// A whole small object.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn read_all(&self, object: &str) -> Result<Bytes, ObjectsError> {
        Ok(self.store()?.get(&Path::from(object)).await?.bytes().await?)
    }

    /// Writes a small object unless there is one of that name: `false`, and that one stays as it is.
    ///
    /// # Errors
    /// [`ObjectsError`]; it isn't there, or nobody knows.
    pub async fn create(&self, object: &str, bytes: Vec<u8>) -> Result<bool, ObjectsError> {
        if let Place::Folder(folder) = &self.place {
            std::fs::create_dir_all(folder).map_err(|error| ObjectsError::from_io(&error))?;
        }
        match self.store()?.put_opts(&Path::from(object), bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of all objects. A folder that isn't there has none.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn names(&self) -> Result<Vec<String>, ObjectsError> {
        if let Place::Folder(folder) = &self.place
            && !folder.exists()
        {
            return Ok(Vec::new());
        }
        let found = self.store()?.list(None).map_ok(|object| object.location.to_string());
        Ok(found.try_collect().await?)
    }

    /// Deletes all objects whose path begins with these segments, and what was begun and never finished.
    ///
    /// # Errors
    /// [`ObjectsError`]; some may be gone then.
    pub async fn delete_all(&self, prefix: &str) -> Result<(), ObjectsError> {
        match &self.place {
            Place::Folder(folder) => match tokio::fs::remove_dir_all(folder.join(prefix)).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(ObjectsError::from_io(&error))
                }
                _ => Ok(()),
            },
            Place::Bucket(store) => {
                let prefix = Path::from(prefix);
                let found = store.list(Some(&prefix)).map_ok(|object| object.location).boxed();
                store.delete_stream(found).try_for_each(async |_| Ok(())).await?;
                Ok(())
            }
        }
    }

    fn store(&self) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        Ok(match &self.place {
            Place::Folder(folder) => Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true)),
            Place::Bucket(store) => Arc::clone(store),
        })
    }
}

/// An object that isn't there yet. Dropped unfinished, what was written of it is forgotten.
pub struct ObjectWriter {
    /// `None`: it is finished, or nobody knows.
    writer: Option<BufWriter>,
}

impl ObjectWriter {
    /// Adds bytes. A few pieces at most are on their way: it waits for a storage that is slower.
    ///
    /// # Errors
    /// [`ObjectsError`]; the object won't be there.
    pub async fn put(&mut self, bytes: Bytes) -> Result<(), ObjectsError> {
        let writer = self.writer.as_mut().ok_or(ObjectsError::Absent)?;
        Ok(writer.put(bytes).await?)
    }

    /// Makes it visible, whole.
    ///
    /// # Errors
    /// [`ObjectsError`]; it isn't there, or nobody knows.
    pub async fn finish(mut self) -> Result<(), ObjectsError> {
        let mut writer = self.writer.take().ok_or(ObjectsError::Absent)?;
        writer.shutdown().await.map_err(|error| ObjectsError::from_io(&error))
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        if tokio::runtime::Handle::try_current().is_ok() {
            // What can't be forgotten now goes with everything else of its export, or by the bucket's own rule.
            // The client's own abort panics where it has failed before: that must not end the process.
            let abort = async move { drop(AssertUnwindSafe(writer.abort()).catch_unwind().await) };
            crate::task::spawn("a file that is given up", abort);
        }
    }
}

fn bucket(config: &S3Config, at: &str) -> Result<object_store::aws::AmazonS3, Vec<Problem>> {
    let wrong = |path: &str, rule: String| vec![Problem::new(format!("{at}.s3.{path}"), rule)];
    let secret = config.secret_key.read().map_err(|rule| wrong("secret_key_file", rule))?;
    let mut options = ClientOptions::new()
        .with_allow_http(config.plain)
        .with_connect_timeout(ANSWER)
        .with_timeout_disabled()
        .with_read_timeout(ANSWER);
    if let Some(file) = &config.ca_file {
        for authority in crate::tls::certificates(file).map_err(|rule| wrong("ca_file", rule))? {
            let authority = Certificate::from_der(&authority)
                .map_err(|_| wrong("ca_file", "holds a certificate that can't be used".to_owned()))?;
            options = options.with_root_certificate(authority);
        }
        options = options.with_no_system_certificates(true);
    }
    let retry = RetryConfig { max_retries: 5, retry_timeout: PATIENCE, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_client_options(options)
        .with_retry(retry)
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_access_key_id(&config.access_key)
        .with_secret_access_key(secret.expose_secret());
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    builder.build().map_err(|_| wrong("bucket", "can't be used with this region and endpoint".to_owned()))
}

#[cfg(test)]
mod tests;
