//! Rows as the bytes of a file, in the format that was asked for.

use std::sync::Arc;

use epro_schemas::export::Format;
use epro_store::exports::{ExportJob, ExportRow};

use super::csv::Csv;
use super::documents::Documents;
use super::ndjson::Ndjson;
use super::open;
use super::trouble::Trouble;
use crate::submissions::route::Route;

/// Writes the rows of one file after the other.
pub(super) struct Encoder {
    route: Arc<Route>,
    form: Form,
}

enum Form {
    Csv(Box<Csv>),
    Ndjson(Ndjson),
    Documents(Box<Documents>),
}

impl Encoder {
    /// For an export with these columns.
    pub(super) fn new(
        job: &ExportJob,
        header: Vec<String>,
        route: &Arc<Route>,
        canonical: &str,
    ) -> Result<Self, Trouble> {
        let form = match Format::of(&job.format) {
            Some(Format::Csv) => Form::Csv(Box::new(Csv::new(&job.site_id, header))),
            Some(Format::Ndjson) => {
                Form::Ndjson(Ndjson { route: Arc::clone(route), canonical: canonical.to_owned() })
            }
            Some(Format::Documents) => Form::Documents(Box::new(Documents::new())),
            None => return Err(Trouble::Row("its format isn't known here")),
        };
        Ok(Self { route: Arc::clone(route), form })
    }

    /// The name of file number `part`.
    pub(super) fn name(&self, part: i32) -> String {
        match self.form {
            Form::Csv(_) => format!("responses-{part:05}.csv"),
            Form::Ndjson(_) => format!("responses-{part:05}.ndjson"),
            Form::Documents(_) => format!("documents-{part:05}.zip"),
        }
    }

    /// What a file begins with.
    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        if let Form::Csv(csv) = &self.form {
            csv.begin(out);
        }
    }

    /// One row.
    pub(super) fn row(&mut self, row: &ExportRow, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let envelope = open::envelope(&self.route, row)?;
        match &mut self.form {
            Form::Csv(csv) => csv.row(row, envelope.as_ref(), out),
            Form::Ndjson(ndjson) => ndjson.row(row, envelope.as_ref(), out),
            Form::Documents(documents) => documents.row(row, envelope.as_ref(), out),
        }
    }

    /// What a file ends with.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Trouble> {
        match &mut self.form {
            Form::Csv(_) | Form::Ndjson(_) => Ok(()),
            Form::Documents(documents) => documents.end(out),
        }
    }
}
