//! A line a response: fixed columns, a column an answer and its score, a column a score.

use std::borrow::Cow;
use std::collections::HashMap;

use epro_schemas::envelope::Envelope;
use epro_schemas::instrument::Instruments;
use epro_schemas::instrument::definition::Kind;
use epro_store::exports::ExportRow;
use serde::Deserialize;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::trouble::Trouble;
use super::{cell, open};

const FIXED: [&str; 12] = [
    "response_id",
    "submission_id",
    "pseudonym",
    "study_id",
    "site_id",
    "instrument",
    "answered_at_utc",
    "answered_at_local",
    "answered_year",
    "received_at_utc",
    "late",
    "amends_response_id",
];
const SUBJECT: &str = "subject_id";
/// What no column was made for when the export began, as JSON.
const OTHER: &str = "other";

/// The columns of an export: those of the instruments that are asked for, or of all.
pub(super) fn header(instruments: &Instruments, chosen: &[String], identified: bool) -> Vec<String> {
    let mut columns: Vec<String> = FIXED.map(str::to_owned).into();
    let mut add = |column: String| {
        if !columns.contains(&column) {
            columns.push(column);
        }
    };
    if identified {
        add(SUBJECT.to_owned());
    }
    let wanted = instruments
        .iter()
        .filter(|one| chosen.is_empty() || chosen.iter().any(|name| **name == **one.name()));
    for instrument in wanted {
        let definition = instrument.definition();
        for item in definition.items.iter().filter(|item| identified || item.kind != Kind::Text) {
            add(item.link_id.to_string());
            if item.kind == Kind::Coded {
                add(format!("{}.score", item.link_id));
            }
        }
        for score in &definition.scores {
            add(format!("{}.{}", definition.id, score.id));
            add(format!("{}.{}.band", definition.id, score.id));
        }
    }
    add(OTHER.to_owned());
    columns
}

/// Writes lines under one header.
pub(super) struct Csv {
    site: String,
    header: Vec<String>,
    columns: HashMap<String, usize>,
    /// Of the line that is being written.
    cells: Vec<String>,
    other: Vec<Value>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    link_id: Cow<'a, str>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    score: Option<f64>,
    value: Option<Value>,
}

#[derive(Deserialize)]
struct Score<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    value: Option<f64>,
    #[serde(borrow)]
    band: Option<Cow<'a, str>>,
}

impl Csv {
    pub(super) fn new(site: &str, header: Vec<String>) -> Self {
        let columns = header.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let cells = vec![String::new(); header.len()];
        Self { site: site.to_owned(), header, columns, cells, other: Vec::new() }
    }

    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        line(&self.header, out);
    }

    pub(super) fn row(
        &mut self,
        row: &ExportRow,
        envelope: Option<&Envelope>,
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        self.cells.iter_mut().for_each(String::clear);
        self.other.clear();
        self.fixed(row);
        let answers: Vec<Answer<'_>> = read(&row.answers)?;
        let scores: Vec<Score<'_>> = read(&row.scores)?;
        for answer in answers {
            self.answer(answer);
        }
        let instrument = row.instrument.split('|').next().unwrap_or_default();
        for score in scores {
            self.score(instrument, score);
        }
        if let Some(envelope) = envelope {
            self.identify(envelope);
        }
        if !self.other.is_empty() {
            let other = Value::Array(std::mem::take(&mut self.other)).to_string();
            self.put(OTHER, &other);
        }
        line(&self.cells, out);
        Ok(())
    }

    fn fixed(&mut self, row: &ExportRow) {
        let dates = row.answered_at.is_some();
        let local = UtcOffset::from_whole_seconds(row.offset_s).unwrap_or(UtcOffset::UTC);
        let [
            response,
            submission,
            pseudonym,
            study,
            site,
            instrument,
            utc,
            own,
            year,
            received,
            late,
            amends,
            ..,
        ] = &mut self.cells[..]
        else {
            return;
        };
        response.push_str(&row.response_id.to_string());
        if dates {
            // The id of a submission tells when it was made.
            submission.push_str(&row.key.0.to_string());
            received.push_str(&at(row.received_at));
        }
        pseudonym.push_str(&row.key.1.to_string());
        study.push_str(&row.study_id);
        site.push_str(&self.site);
        instrument.push_str(&row.instrument);
        if let Some(answered_at) = row.answered_at {
            utc.push_str(&at(answered_at));
            own.push_str(&at(answered_at.to_offset(local)));
        }
        year.push_str(&row.answered_year.to_string());
        late.push_str(if row.late { "true" } else { "false" });
        if let Some(id) = row.amends_response_id {
            amends.push_str(&id.to_string());
        }
    }

    fn answer(&mut self, answer: Answer<'_>) {
        if !self.columns.contains_key(&*answer.link_id) {
            let mut other = serde_json::json!({ "link_id": answer.link_id });
            other["code"] = answer.code.map_or(Value::Null, |code| Value::from(code.into_owned()));
            other["value"] = answer.value.unwrap_or(Value::Null);
            return self.other.push(other);
        }
        match (&answer.code, &answer.value) {
            (Some(code), _) => self.put(&answer.link_id, code),
            (None, Some(value)) => self.put(&answer.link_id, &value.to_string()),
            (None, None) => {}
        }
        if let Some(score) = answer.score {
            self.put(&format!("{}.score", answer.link_id), &score.to_string());
        }
    }

    fn score(&mut self, instrument: &str, score: Score<'_>) {
        let column = format!("{instrument}.{}", score.id);
        let value = score.value.map(|value| value.to_string());
        if !self.columns.contains_key(&column) {
            return self
                .other
                .push(serde_json::json!({ "score": score.id, "value": value, "band": score.band }));
        }
        if let Some(value) = value {
            self.put(&column, &value);
        }
        if let Some(band) = score.band {
            self.put(&format!("{column}.band"), &band);
        }
    }

    fn identify(&mut self, envelope: &Envelope) {
        self.put(SUBJECT, envelope.subject_id.expose());
        let Ok(submission) = envelope.submission() else { return };
        for (link_id, text) in open::words(&submission) {
            if self.columns.contains_key(link_id) {
                self.put(link_id, &text);
            } else {
                self.other.push(serde_json::json!({ "link_id": link_id, "text": text }));
            }
        }
    }

    /// Several answers of one item stand beside each other.
    fn put(&mut self, column: &str, text: &str) {
        let Some(cell) = self.columns.get(column).and_then(|at| self.cells.get_mut(*at)) else { return };
        if !cell.is_empty() {
            cell.push('|');
        }
        cell.push_str(text);
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Trouble> {
    serde_json::from_str(json)
        .map_err(|_| Trouble::Row("a stored response isn't of the form that it should have"))
}

fn at(instant: OffsetDateTime) -> String {
    instant.format(&Rfc3339).unwrap_or_default()
}

fn line(cells: &[String], out: &mut Vec<u8>) {
    for (at, text) in cells.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if is_number(text) { out.extend_from_slice(text.as_bytes()) } else { cell::text(out, text) }
    }
    out.extend_from_slice(b"\r\n");
}

/// A number stays one. A plus or `-inf` is what patients write, never we.
fn is_number(text: &str) -> bool {
    !text.starts_with('+') && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    fn written(cells: &[&str]) -> String {
        let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
        let mut out = Vec::new();
        super::line(&cells, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_number_stays_one() {
        assert_eq!(written(&["2", "-1", "0.5", "-2.5", "1e-7", ""]), "2,-1,0.5,-2.5,1e-7,\r\n");
    }

    #[test]
    fn what_is_almost_a_number_is_no_formula() {
        for text in ["+1", "+1.5", "-inf", "-Infinity", "-nan", "-1+1", "=1", "@1", "\n1", "\t1"] {
            assert_eq!(written(&[text, "x"]), format!("\"'{text}\",x\r\n"));
        }
    }
}
