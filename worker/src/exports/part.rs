//! One file of an export, from its first row to its entry in the table.

use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use epro_process::objects::{ObjectWriter, Objects};
use epro_store::exports::{ExportJob, ExportPart, ExportRow};

use super::encoder::Encoder;
use super::pages::Pages;
use super::trouble::Trouble;

/// What is handed to the object storage at once.
const PIECE: usize = 64 * 1024;

/// How far an export is, for those who watch it.
pub(super) struct Progress {
    rows: AtomicI64,
    bytes: AtomicI64,
    attempts: AtomicI32,
}

impl Progress {
    pub(super) fn new(job: &ExportJob) -> Self {
        Self { rows: job.rows.into(), bytes: job.bytes.into(), attempts: job.attempts.into() }
    }

    /// A file is finished: what failed before it counts no more.
    pub(super) fn went_well(&self) {
        self.attempts.store(0, Ordering::Relaxed);
    }

    /// Tries that failed since a file was finished.
    pub(super) fn attempts(&self) -> i32 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, rows: i64, bytes: usize) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> (i64, i64) {
        (self.rows.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// Bytes on their way into one object, counted and hashed.
pub(super) struct File {
    writer: ObjectWriter,
    hash: Context,
    bytes: i64,
}

impl File {
    /// A file of an export. Each run has objects of its own: what an older one still writes is nobody's.
    pub(super) fn begin(objects: &Objects, job: &ExportJob, name: &str) -> Result<(Self, String), Trouble> {
        let object = format!("{}/{:04}-{name}", job.export_id, job.run);
        let writer = objects.write(&object)?;
        Ok((Self { writer, hash: Context::new(&SHA256), bytes: 0 }, object))
    }

    pub(super) async fn put(&mut self, bytes: Vec<u8>) -> Result<(), Trouble> {
        self.hash.update(&bytes);
        self.bytes += i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        Ok(self.writer.put(Bytes::from(bytes)).await?)
    }

    /// It has fewer bytes than that.
    pub(super) fn is_below(&self, size: u64) -> bool {
        u64::try_from(self.bytes).unwrap_or(u64::MAX) < size
    }

    /// Makes it visible: its size and its SHA-256.
    pub(super) async fn finish(self) -> Result<(i64, [u8; 32]), Trouble> {
        self.writer.finish().await?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.finish().as_ref());
        Ok((self.bytes, sha256))
    }
}

/// Writes the rows that follow, beginning with `first`, until the file is full or there are no more.
pub(super) async fn write(
    (objects, job, size): (&Objects, &ExportJob, u64),
    number: i32,
    encoder: &mut Encoder,
    first: ExportRow,
    pages: &mut Pages,
    progress: &Progress,
) -> Result<ExportPart, Trouble> {
    let name = encoder.name(number);
    let (mut file, object) = File::begin(objects, job, &name)?;
    let (mut rows, mut last, mut next) = (0, first.key, Some(first));
    let mut piece = Vec::with_capacity(PIECE + PIECE / 4);
    encoder.begin(&mut piece);
    while let Some(row) = next.take() {
        encoder.row(&row, &mut piece)?;
        (rows, last) = (rows + 1, row.key);
        let full = u64::try_from(file.bytes).unwrap_or(u64::MAX) + piece.len() as u64 >= size;
        if piece.len() >= PIECE {
            progress.add(0, piece.len());
            file.put(std::mem::replace(&mut piece, Vec::with_capacity(PIECE + PIECE / 4))).await?;
        }
        progress.add(1, 0);
        if full {
            break;
        }
        next = pages.next().await?;
    }
    encoder.end(&mut piece)?;
    progress.add(0, piece.len());
    file.put(piece).await?;
    let (bytes, sha256) = file.finish().await?;
    Ok(ExportPart { part: number, name, object, rows, bytes, sha256, last })
}
