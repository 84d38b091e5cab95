//! A zip file of originals: the bytes that were received, untouched.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use epro_schemas::envelope::Envelope;
use epro_store::exports::ExportRow;
use time::OffsetDateTime;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::trouble::Trouble;

/// One zip file on its way; the next file begins with a new one.
pub(super) struct Documents {
    written: Written,
    zip: ZipWriter<StreamWriter<Written>>,
}

/// What the zip writer has written and nobody has taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Documents {
    pub(super) fn new() -> Self {
        let written = Written::default();
        Self { zip: ZipWriter::new_stream(written.clone()), written }
    }

    /// A submission as it was received.
    pub(super) fn row(
        &mut self,
        row: &ExportRow,
        envelope: Option<&Envelope>,
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        let envelope = envelope.ok_or(Trouble::Row("documents are made of identified exports only"))?;
        // The submission's id is made on a device; together with the pseudonym it names one.
        let path = format!("{}/{}/{}.json", row.study_id, row.key.1, row.key.0);
        self.add(path, envelope.received_at, &envelope.bytes, out)
    }

    /// One document, as it is.
    pub(super) fn add(
        &mut self,
        path: String,
        at: OffsetDateTime,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        let time = DateTime::try_from(time::PrimitiveDateTime::new(at.date(), at.time()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(time.unwrap_or_default());
        self.zip.start_file(path, options).map_err(|_| BROKEN)?;
        self.zip.write_all(bytes).map_err(|_| BROKEN)?;
        self.written.take(out);
        Ok(())
    }

    /// Closes the file, and begins another.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let ended = std::mem::replace(self, Self::new());
        ended.zip.finish().map_err(|_| BROKEN)?;
        ended.written.take(out);
        Ok(())
    }
}

const BROKEN: Trouble = Trouble::Row("a document can't be written into a zip file");
