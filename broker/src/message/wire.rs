//! How the headers look on the wire. None of ours starts with `x-`: those are the broker's.

use std::collections::BTreeMap;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString, ShortStringError},
};

use super::{Headers, Message};

const ATTEMPT: &str = "epro-attempt";
const DEADLINE: &str = "epro-deadline";
const WAITS: &str = "epro-waits";
const WAITING_SINCE: &str = "epro-waiting-since";
const KEY: &str = "epro-key";
const SITE: &str = "epro-site";
const STUDY: &str = "epro-study";
const SIGNALS: &str = "epro-signals";
const TRACEPARENT: &str = "traceparent";
/// By this a publisher knows a returned message again; nobody else reads it.
const TICKET: &str = "epro-ticket";
const DEATHS: &str = "x-death";
const DEATH_REASON: &str = "x-first-death-reason";
const DEATH_QUEUE: &str = "x-first-death-queue";

/// Headers whose values may be shown, after a look at the value.
const SHOWN: [&str; 14] = [
    ATTEMPT,
    DEADLINE,
    WAITS,
    WAITING_SINCE,
    KEY,
    SITE,
    STUDY,
    SIGNALS,
    TRACEPARENT,
    DEATH_REASON,
    DEATH_QUEUE,
    "x-first-death-exchange",
    "x-delivery-count",
    "x-acquired-count",
];

/// A message as the client library takes it.
pub(crate) struct Parcel {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: bytes::Bytes,
}

impl Parcel {
    /// `now` in Unix seconds. The error names the part that is too long.
    pub(crate) fn pack(message: Message, ticket: u64, now: u64) -> Result<Self, &'static str> {
        let short = |text: String, field| ShortString::try_new(text).map_err(|_: ShortStringError| field);
        let (kind, message_id, body) = message.body.into_parts();
        let mut properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_timestamp(now)
            .with_message_id(message_id.to_string().into())
            .with_headers(write(message.headers, ticket));
        if !kind.is_empty() {
            properties = properties.with_type(short(kind, "type")?);
        }
        Ok(Self {
            exchange: short(message.exchange, "exchange")?,
            routing_key: short(message.routing_key, "routing key")?,
            properties,
            body,
        })
    }
}

/// Defaults stay off the wire.
pub(crate) fn write(headers: Headers, ticket: u64) -> FieldTable {
    let mut table = BTreeMap::new();
    let mut number = |name: &'static str, value: i64| {
        table.insert(name.into(), AMQPValue::LongLongInt(value));
    };
    number(TICKET, ticket.cast_signed());
    if headers.attempt != 1 {
        number(ATTEMPT, headers.attempt.into());
    }
    if headers.waits != 0 {
        number(WAITS, headers.waits.into());
    }
    headers.deadline.into_iter().for_each(|at| number(DEADLINE, at));
    headers.waiting_since.into_iter().for_each(|at| number(WAITING_SINCE, at));
    let mut text = |name: &'static str, value: Option<String>| {
        value.into_iter().for_each(|value| {
            table.insert(name.into(), AMQPValue::LongString(value.into()));
        });
    };
    text(TRACEPARENT, headers.traceparent);
    text(KEY, headers.key_id);
    text(SITE, headers.site);
    text(STUDY, headers.study);
    text(SIGNALS, headers.signals);
    table.into()
}

/// What isn't there, or isn't as we write it, reads as the default.
pub(crate) fn read(properties: &BasicProperties) -> Headers {
    let defaults = Headers::default();
    let Some(table) = properties.headers() else { return defaults };
    let count = |name| number(table, name).and_then(|value| u32::try_from(value).ok());
    Headers {
        traceparent: text(table, TRACEPARENT).filter(|value| is_traceparent(value)).map(str::to_owned),
        attempt: count(ATTEMPT).filter(|attempt| *attempt > 0).unwrap_or(defaults.attempt),
        deadline: number(table, DEADLINE),
        waits: count(WAITS).unwrap_or(defaults.waits),
        waiting_since: number(table, WAITING_SINCE),
        key_id: name(table, KEY),
        site: name(table, SITE),
        study: name(table, STUDY),
        signals: text(table, SIGNALS).filter(|value| is_signals(value)).map(str::to_owned),
    }
}

/// The trace context alone, without what else the headers say.
pub(crate) fn traceparent(properties: &BasicProperties) -> Option<&str> {
    text(properties.headers().as_ref()?, TRACEPARENT).filter(|value| is_traceparent(value))
}

/// How often it was parked and since when, of one that was.
pub(crate) fn waited(properties: &BasicProperties) -> Option<(u32, Option<i64>)> {
    let table = properties.headers().as_ref()?;
    let waits =
        number(table, WAITS).and_then(|waits| u32::try_from(waits).ok()).filter(|waits| *waits > 0)?;
    Some((waits, number(table, WAITING_SINCE)))
}

fn name(table: &FieldTable, name: &str) -> Option<String> {
    text(table, name).filter(|value| is_plain(value)).map(str::to_owned)
}

/// See [`Headers::redriven`].
pub(crate) fn redriven<'a>(shown: impl IntoIterator<Item = (&'a str, &'a str)>) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in shown {
        let place = match name {
            TRACEPARENT => &mut headers.traceparent,
            KEY => &mut headers.key_id,
            SITE => &mut headers.site,
            STUDY => &mut headers.study,
            SIGNALS => &mut headers.signals,
            _ => continue,
        };
        *place = Some(value.to_owned());
    }
    headers
}

/// The ticket that a message was sent with.
pub(crate) fn ticket(properties: &BasicProperties) -> Option<u64> {
    number(properties.headers().as_ref()?, TICKET).map(i64::cast_unsigned)
}

/// Why and in which queue it died last. Of the broker's headers only the list tells that, its newest
/// entry first: `x-first-death-*` of a message that has waited speak of the wait for ever.
pub(crate) fn last_death(properties: &BasicProperties) -> Option<(&str, &str)> {
    let AMQPValue::FieldArray(deaths) = properties.headers().as_ref()?.inner().get(DEATHS)? else {
        return None;
    };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else { return None };
    let plain = |name| text(last, name).filter(|value| is_plain(value));
    Some((plain("reason")?, plain("queue")?))
}

/// Names and values that may be shown; all others are counted, as `#1`, `#2`.
pub(crate) fn shown(properties: &BasicProperties, is_ours: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let Some(table) = properties.headers() else { return Vec::new() };
    let mut unknown = 0;
    let mut shown = Vec::new();
    for (name, value) in table {
        if name.as_str() == TICKET {
            continue;
        }
        let known = show(name.as_str(), value)
            .filter(|(name, value)| ![SITE, STUDY, KEY].contains(&name.as_str()) || is_ours(value));
        shown.push(known.unwrap_or_else(|| {
            unknown += 1;
            (format!("#{unknown}"), "[not shown]".to_owned())
        }));
    }
    shown
}

fn show(name: &str, value: &AMQPValue) -> Option<(String, String)> {
    let name = SHOWN.into_iter().find(|known| *known == name)?;
    let value = match integer(value) {
        Some(number) => number.to_string(),
        None => as_text(value).filter(|text| is_as_we_write_it(name, text))?.to_owned(),
    };
    Some((name.to_owned(), value))
}

fn number(table: &FieldTable, name: &str) -> Option<i64> {
    integer(table.inner().get(name)?)
}

fn text<'a>(table: &'a FieldTable, name: &str) -> Option<&'a str> {
    as_text(table.inner().get(name)?)
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(value) => Some(value.into()),
        AMQPValue::ShortInt(value) => Some(value.into()),
        AMQPValue::LongInt(value) => Some(value.into()),
        AMQPValue::LongUInt(value) => Some(value.into()),
        AMQPValue::LongLongInt(value) => Some(value),
        _ => None,
    }
}

fn as_text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).ok(),
        AMQPValue::ShortString(value) => Some(value.as_str()),
        _ => None,
    }
}

fn is_as_we_write_it(name: &str, text: &str) -> bool {
    match name {
        TRACEPARENT => is_traceparent(text),
        SIGNALS => is_signals(text),
        _ => is_plain(text),
    }
}

/// The type, if it is one of ours by its form, `epro.<name>.v<number>`: it is kept and shown, and a
/// stranger's may be anything, a NUL included.
pub(crate) fn kind(properties: &BasicProperties) -> Option<&str> {
    properties.kind().as_ref().map(ShortString::as_str).filter(|kind| is_kind(kind))
}

fn is_kind(text: &str) -> bool {
    // Nearly all are of this one, and are soon compared.
    text == epro_schemas::kind::SUBMISSION || has_form_of_kind(text)
}

fn has_form_of_kind(text: &str) -> bool {
    let Some((name, version)) = text.strip_prefix("epro.").and_then(|rest| rest.rsplit_once(".v")) else {
        return false;
    };
    (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        && (1..=4).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a routing key is a work queue's name by its form.
pub(crate) fn is_work_queue(key: &str) -> bool {
    key.starts_with("epro.") && is_plain(key)
}

/// What a name of ours looks like; anything else may be somebody's data.
fn is_plain(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

fn is_signals(text: &str) -> bool {
    text.len() <= 1024
        && text.split(',').all(|signal| {
            signal.split_once('=').is_some_and(|(rule, severity)| is_plain(rule) && is_plain(severity))
        })
}

fn is_traceparent(text: &str) -> bool {
    let lengths = text.split('-').map(str::len).eq([2, 32, 16, 2]);
    lengths && text.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn properties(entries: &[(&str, AMQPValue)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in entries {
            table.insert((*name).into(), value.clone());
        }
        BasicProperties::default().with_headers(table)
    }

    fn long(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    prop_compose! {
        fn headers()(
            traceparent in proptest::option::of("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]"),
            attempt in 1..=u32::MAX,
            deadline in any::<Option<i64>>(),
            waits in any::<u32>(),
            waiting_since in any::<Option<i64>>(),
            key_id in proptest::option::of("[a-z0-9._-]{1,40}"),
            site in proptest::option::of("[A-Z0-9]{1,40}"),
            study in proptest::option::of("[A-Z0-9-]{1,40}"),
            signals in proptest::option::of("[a-z-]{1,9}=critical,[a-z0-9-]{1,9}=notice"),
        ) -> Headers {
            Headers { traceparent, attempt, deadline, waits, waiting_since, key_id, site, study, signals }
        }
    }

    proptest! {
        #[test]
        fn headers_come_back_as_they_were_sent(sent in headers(), number: u64) {
            let properties = BasicProperties::default().with_headers(write(sent.clone(), number));
            let waits = (sent.waits > 0).then_some((sent.waits, sent.waiting_since));
            prop_assert_eq!(waited(&properties), waits);
            prop_assert_eq!(read(&properties), sent);
            prop_assert_eq!(ticket(&properties), Some(number));
        }
    }

    #[test]
    fn a_message_from_a_stranger_reads_as_the_defaults() {
        assert_eq!(read(&BasicProperties::default()), Headers::default());
        let odd = properties(&[
            ("epro-attempt", long("many")),
            ("epro-waits", AMQPValue::LongLongInt(-1)),
            ("epro-key", long("Jane Doe")),
            ("traceparent", long("Jane Doe, born 1970")),
        ]);
        assert_eq!(read(&odd), Headers::default());
        assert_eq!(read(&properties(&[("epro-attempt", AMQPValue::LongInt(0))])).attempt, 1);
    }

    #[test]
    fn only_types_and_queues_of_our_form_are_believed() {
        for kind in ["epro.submission.v1", "epro.dead-letter.v12", "epro.test.v1"] {
            assert!(is_kind(kind), "{kind}");
        }
        for stranger in
            ["", "epro.", "order.created", "Jane", "epro.jane", "epro.Jane.v1", "epro.a\0.v1", "epro.a.vx"]
        {
            assert!(!is_kind(stranger), "{stranger:?}");
        }
        assert!(is_work_queue("epro.submissions.urgent") && is_work_queue("epro.his.H001"));
        for stranger in ["", "Jane", "epro.a\0", "epro.Jane Doe"] {
            assert!(!is_work_queue(stranger), "{stranger:?}");
        }
    }

    #[test]
    fn unknown_headers_and_odd_values_are_counted_but_never_shown() {
        let properties = properties(&[
            ("Jane Doe", long("her secret")),
            ("epro-attempt", AMQPValue::LongInt(3)),
            ("epro-key", long("Jane Doe, born 1970")),
            ("traceparent", long("Jane")),
            ("epro-signals", long("Jane")),
            ("epro-site", long("Jane")),
            ("epro-study", long("ONC-301")),
            ("x-first-death-queue", long("epro.alerts")),
            ("x-note", AMQPValue::LongInt(1970)),
        ]);
        let shown = shown(&properties, |name| name == "ONC-301");
        assert!(!format!("{shown:?}").contains("Jane") && !format!("{shown:?}").contains("secret"));
        assert!(!format!("{shown:?}").contains("1970"));
        assert!(shown.contains(&("epro-attempt".into(), "3".into())));
        assert!(shown.contains(&("x-first-death-queue".into(), "epro.alerts".into())));
        assert!(shown.contains(&("epro-study".into(), "ONC-301".into())));
        assert_eq!(shown.iter().filter(|(name, _)| name.starts_with('#')).count(), 6);
    }
}
