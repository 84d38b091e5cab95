//! `POST /api/v1/exports`: checked here, published, then 202. A worker writes it down.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use epro_schemas::export::{ExportRequest, Format};
use epro_schemas::violation::Violation;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{LOOK_UP, location, message};
use crate::body;
use crate::door::Door;
use crate::job_id;
use crate::refusal::{Kind, Refusal, json};
use crate::router::Route;
use crate::submit::delegate;
use crate::visit::Visit;
use epro_process::auth::Caller;

/// The largest request, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// Most studies or instruments that one names.
const MAX_NAMES: usize = 100;

/// The broker has it; how far it is is told under `Location`, from now on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExportReceived")]
pub(crate) struct Answer {
    /// Always `received`.
    status: &'static str,
    /// The export's id.
    export_id: Uuid,
}

/// What an export is asked for with. It documents the body; reading it is [`Wanted::read`], which finds every
/// problem at once.
#[derive(JsonSchema)]
#[schemars(rename = "ExportRequest")]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) struct Body {
    /// The site; one of the token's.
    site_id: String,
    /// Studies; without them, all of the token's.
    study_ids: Option<Vec<String>>,
    /// Instruments as `id|version`; without them, all.
    instruments: Option<Vec<String>>,
    /// Answered at this time or later (RFC 3339).
    from: String,
    /// Answered before this time.
    to: String,
    /// What the files are.
    format: Format,
    /// With what identifies patients; wants the scope `export:identified`. Documents are identified always.
    identified: Option<bool>,
}

pub(crate) async fn handle(State(door): State<Arc<Door>>, request: Request) -> Response {
    let mut visit = Visit::begin(&door, Route::ExportRequest);
    let outcome = take(&door, &mut visit, request).await;
    visit.answer(outcome)
}

async fn take(door: &Door, visit: &mut Visit<'_>, request: Request) -> Result<Response, Refusal> {
    let caller = door.verifier.caller(request.headers())?;
    visit.by(&caller)?;
    let actor = delegate(door, &caller);
    visit.actor(actor);
    if !caller.may_export {
        return Err(Kind::ScopeMissing.into());
    }
    let _slot = door.requests.try_acquire().map_err(|_| Kind::Busy)?;
    body::check_type(request.headers(), &["application/json"])?;
    let trace = visit.trace();
    let bytes = body::read(request.into_body(), MAX_BYTES, door.body_timeout).await?;
    let wanted = Wanted::read(&bytes, door, &caller)?;
    check_identified(&wanted, &caller)?;
    let snapshot = tokio::time::timeout(LOOK_UP, door.store.snapshot()).await.map_err(|_| Kind::StoreAway)?;
    let export_id = job_id::make(&door.pseudonyms, job_id::EXPORT, caller.sub.expose());
    visit.export(export_id);
    let body = ExportRequest {
        export_id,
        study_ids: wanted.study_ids,
        site_id: wanted.site_id,
        instruments: wanted.instruments,
        from: wanted.from,
        to: wanted.to,
        format: wanted.format,
        identified: wanted.identified,
        snapshot: snapshot.map_err(|_| Kind::StoreAway)?,
        actor,
        client: caller.client.as_deref().map(str::to_owned),
        from_network: visit.network(),
        at: OffsetDateTime::now_utc(),
        trace_id: Some(trace.id().to_owned()),
    };
    let mut message = message(door, export_id, trace, &body)?;
    let publishing = crate::trace::publish(&mut message);
    let _receipt = door.publisher.publish(message).await?;
    drop(publishing);
    let mut response = json(202, "application/json", &Answer { status: "received", export_id });
    if let Ok(location) = HeaderValue::try_from(location(export_id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn check_identified(wanted: &Wanted, caller: &Caller) -> Result<(), Refusal> {
    if wanted.format == Format::Documents && !wanted.identified {
        let rule = "must be true: documents are what patients sent, untouched";
        return Err(Refusal::at(Kind::Invalid, "/identified", rule));
    }
    if wanted.identified && !caller.may_export_identified { Err(Kind::ScopeMissing.into()) } else { Ok(()) }
}

/// What is wanted, checked.
#[derive(Debug)]
struct Wanted {
    site_id: String,
    study_ids: Vec<String>,
    instruments: Vec<String>,
    from: OffsetDateTime,
    to: OffsetDateTime,
    format: Format,
    identified: bool,
}

impl Wanted {
    /// Every problem at once, by pointer and rule.
    fn read(bytes: &[u8], door: &Door, caller: &Caller) -> Result<Self, Refusal> {
        let body: Value = serde_json::from_slice(bytes).map_err(|_| Kind::NotJson)?;
        let Value::Object(mut body) = body else {
            return Err(Refusal::at(Kind::Invalid, "", "must be a JSON object"));
        };
        let mut problems = Vec::new();
        let site_id = text(&mut body, "site_id", &mut problems);
        let study_ids = names(&mut body, "study_ids", &mut problems);
        let instruments = names(&mut body, "instruments", &mut problems).unwrap_or_default();
        let from = time(&mut body, "from", &mut problems);
        let to = time(&mut body, "to", &mut problems);
        let format = text(&mut body, "format", &mut problems);
        let identified = match body.remove("identified") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(identified)) => identified,
            Some(_) => wrong(&mut problems, "/identified", "must be true or false").unwrap_or(false),
        };
        if !body.is_empty() {
            problems.push(Violation::new("", "has an unknown key"));
        }
        let format = format.and_then(|word| {
            let format = Format::of(&word);
            format.or_else(|| wrong(&mut problems, "/format", "must be csv, ndjson or documents"))
        });
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            problems.push(Violation::new("/to", "must be after from"));
        }
        if site_id.as_ref().is_some_and(|site| !door.sites.contains(site)) {
            problems.push(Violation::new("/site_id", "is not a site that is known here"));
        }
        let study_ids = study_ids.unwrap_or_else(|| caller.studies.clone());
        check_each(&study_ids, "/study_ids", "is not a study that is known here", &mut problems, |study| {
            door.studies.contains(study)
        });
        check_each(
            &instruments,
            "/instruments",
            "is not an instrument that is known here",
            &mut problems,
            |name| name.parse().is_ok_and(|reference| door.instruments.get(&reference).is_some()),
        );
        if study_ids.is_empty() {
            problems.push(Violation::new("/study_ids", "must name at least one: the token names none"));
        }
        let (Some(site_id), Some(from), Some(to), Some(format), []) =
            (site_id, from, to, format, &problems[..])
        else {
            return Err(Refusal { kind: Kind::Invalid, errors: problems });
        };
        if !caller.sites.contains(&site_id) {
            return Err(Kind::SiteForbidden.into());
        }
        if !study_ids.iter().all(|study| caller.studies.contains(study)) {
            return Err(Kind::StudyForbidden.into());
        }
        Ok(Self { site_id, study_ids, instruments, from, to, format, identified })
    }
}

fn wrong<T>(problems: &mut Vec<Violation>, pointer: &str, rule: &str) -> Option<T> {
    problems.push(Violation::new(pointer, rule));
    None
}

fn check_each(
    names: &[String],
    pointer: &str,
    rule: &str,
    problems: &mut Vec<Violation>,
    known: impl Fn(&str) -> bool,
) {
    let unknown = names.iter().enumerate().filter(|(_, name)| !known(name));
    problems.extend(unknown.map(|(at, _)| Violation::new(format!("{pointer}/{at}"), rule)));
}

fn text(body: &mut Map<String, Value>, key: &str, problems: &mut Vec<Violation>) -> Option<String> {
    match body.remove(key) {
        Some(Value::String(text)) => Some(text),
        None => wrong(problems, &format!("/{key}"), "is required"),
        Some(_) => wrong(problems, &format!("/{key}"), "must be text"),
    }
}

fn time(body: &mut Map<String, Value>, key: &str, problems: &mut Vec<Violation>) -> Option<OffsetDateTime> {
    let text = text(body, key, problems)?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).ok();
    time.or_else(|| wrong(problems, &format!("/{key}"), "must be a date and time with its offset (RFC 3339)"))
}

fn names(body: &mut Map<String, Value>, key: &str, problems: &mut Vec<Violation>) -> Option<Vec<String>> {
    let items = match body.remove(key) {
        None | Some(Value::Null) => return None,
        Some(Value::Array(items)) if items.len() <= MAX_NAMES => items,
        Some(_) => return wrong(problems, &format!("/{key}"), "must be a list of at most 100 names"),
    };
    let name = |item: Value| match item {
        Value::String(name) => Some(name),
        _ => None,
    };
    let names: Option<Vec<String>> = items.into_iter().map(name).collect();
    names.or_else(|| wrong(problems, &format!("/{key}"), "must hold texts"))
}
