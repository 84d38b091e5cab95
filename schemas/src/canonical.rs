//! What makes two submissions the same.

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::instrument::{Resolved, Value};
use crate::submission::Submission;

/// The version of the algorithm; stored beside every hash.
pub const VERSION: i16 = 1;

/// SHA-256 over what a submission says: subject, study, site, instrument, time
/// of answering with its offset, answers as resolved, amendment and reason. The
/// door, the order of keys, the spelling of codes and numbers, `sent_at` and
/// stated totals don't enter.
///
/// `subject` is the authenticated one, wherever it came from.
#[must_use]
pub fn content_hash(subject: &str, submission: &Submission, resolved: &Resolved) -> [u8; 32] {
    let mut content = Content(Vec::with_capacity(1024));
    content.text("epro.content.v1");
    content.text(subject);
    content.text(&submission.study_id);
    content.text(&submission.site_id);
    content.text(submission.instrument.id());
    content.text(submission.instrument.version());
    content.time(submission.answered_at);
    content
        .option(submission.amends.as_ref(), |content, amends| content.0.extend_from_slice(amends.as_bytes()));
    content.option(submission.reason.as_ref(), |content, reason| content.text(reason.expose()));

    // In the order of their linkIds, which the instrument has sorted already.
    let mut items: Vec<_> = resolved.items.iter().collect();
    items.sort_unstable_by_key(|item| item.rank);
    content.length(items.len());
    for item in items {
        content.text(&item.link_id);
        content.value(&item.value);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &content.0).as_ref());
    hash
}

/// Bytes from which what was put in can be told without doubt: every part has
/// a fixed length or its length before it, every choice a byte that names it.
struct Content(Vec<u8>);

impl Content {
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
    }

    fn time(&mut self, time: OffsetDateTime) {
        self.0.extend_from_slice(&time.unix_timestamp_nanos().to_be_bytes());
        self.0.extend_from_slice(&time.offset().whole_seconds().to_be_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Coded { code, .. } => self.tagged(b'c', |content| content.text(code)),
            Value::Integer(whole) => self.tagged(b'i', |content| content.0.extend(whole.to_be_bytes())),
            Value::Decimal(decimal) => {
                self.tagged(b'd', |content| content.0.extend((decimal + 0.0).to_bits().to_be_bytes()));
            }
            Value::Boolean(yes) => self.tagged(b'b', |content| content.0.push(u8::from(*yes))),
            Value::Text(text) => self.tagged(b't', |content| content.text(text.expose())),
            Value::Many(values) => self.tagged(b'm', |content| {
                content.length(values.len());
                values.iter().for_each(|value| content.value(value));
            }),
        }
    }

    fn tagged(&mut self, tag: u8, put: impl FnOnce(&mut Self)) {
        self.0.push(tag);
        put(self);
    }
}
