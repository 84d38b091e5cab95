//! The evening as a table for people.

use anyhow::Result;
use comfy_table::{ContentArrangement, LineStyle, Table};
use serde_json::json;
use uuid::Uuid;

use super::{Delivered, Reported, Told, Verdict};
use crate::token::Minter;

/// What each line was, what was expected, what became of it.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(150);
    }
    table.set_header(["line", "what it was", "expected", "what became of it", ""]);
    for verdict in verdicts {
        let ok = verdict.surprises.is_empty();
        let became = if ok { verdict.became.clone() } else { explained(verdict) };
        let row = [&verdict.line.name, &verdict.line.what, &verdict.expected, &became];
        let word = if ok { "ok" } else { "NOT" }.to_owned();
        table.add_row(row.into_iter().chain([&word]));
    }
    table.to_string()
}

fn explained(verdict: &Verdict) -> String {
    format!("{}\n  {}", verdict.became, verdict.surprises.join("\n  "))
}

/// Each alert's way from the 202 to the inbox, in milliseconds.
pub fn alerts(told: &[Told]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS.row_separator(LineStyle::none()));
    table.set_header(["line", "rule", "a row after", "in the inbox after", "to"]);
    let after = |ms: Option<f64>| ms.map_or_else(|| "NOT THERE".to_owned(), |ms| format!("{ms:.0} ms"));
    for one in told {
        table.add_row([&one.line, &one.rule, &after(Some(one.row_ms)), &after(one.mail_ms), &one.to]);
    }
    table.to_string()
}

/// Each delivery's way from the 202 to its hospital, in milliseconds, by the hospital's own log.
pub fn deliveries(delivered: &[Delivered]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS.row_separator(LineStyle::none()));
    table.set_header([
        "line",
        "hospital",
        "by",
        "the relay says",
        "calls",
        "there after",
        "what the hospital did",
    ]);
    for one in delivered {
        let after = match one.there_ms {
            Some(ms) => format!("{ms:.0} ms"),
            None if one.state == "superseded" => "never sent".to_owned(),
            None => "NOT THERE".to_owned(),
        };
        let calls = one.calls.to_string();
        table.add_row([&one.line, &one.site, one.protocol, &one.state, &calls, &after, &one.did]);
    }
    table.to_string()
}

/// What each hospital told of a patient, and how long that took.
pub fn reports(reported: &[Reported]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_NO_BORDERS.row_separator(LineStyle::none()));
    table.set_header(["hospital", "by", "vitals", "medication", "laboratory", "missing", "took", ""]);
    for one in reported {
        let [vitals, medication, laboratory] = one.found.map(|found| found.to_string());
        let took = format!("{:.0} ms", one.took_ms);
        let word = one.surprise.clone().map_or("ok".to_owned(), |surprise| format!("NOT: {surprise}"));
        let missing = one.missing.join(", ");
        table.add_row([
            one.site.as_str(),
            one.protocol,
            &vitals,
            &medication,
            &laboratory,
            &missing,
            &took,
            &word,
        ]);
    }
    table.to_string()
}

/// Tokens of a sample patient, of staff and of an analyst, and ready-made `curl`s.
pub fn try_it(api: &str, minter: &Minter) -> Result<String> {
    let token = minter.patient("P-0001", "ONC-301", "H001")?;
    let staff = minter.reporter("dr-lee", &["ONC-301"], &["H001"])?;
    let analyst = json!({"sub": "ana", "scope": "export", "study": ["ONC-301"], "site": ["H001"]});
    let analyst = minter.token(&analyst)?;
    let id = Uuid::now_v7();
    let body = format!(
        r#"{{"submission_id":"{id}","study_id":"ONC-301","site_id":"H001","instrument":"phq-9|1.0","answered_at":"{}","answers":{{"44250-9":2,"44255-8":2,"44259-0":2,"44254-1":2,"44251-7":1,"44258-2":1,"44252-5":2,"44253-3":0,"44260-8":0}}}}"#,
        time::OffsetDateTime::now_utc()
            .replace_nanosecond(0)?
            .format(&time::format_description::well_known::Rfc3339)?
    );
    Ok(format!(
        "A token of patient P-0001 (study ONC-301, site H001), valid for an hour:\n  TOKEN={token}\n\n\
         Send a PHQ-9:\n  curl -si {api}/api/v1/epro/submit -H \"Authorization: Bearer $TOKEN\" \\\n    \
         -H 'Content-Type: application/json' \\\n    -d '{body}'\n\n\
         Ask what became of it:\n  curl -s {api}/api/v1/epro/submissions/{id} -H \"Authorization: Bearer $TOKEN\"\n\n\
         A token of staff of H001, and what their hospital knows of the patient:\n  STAFF={staff}\n  \
         curl -s {api}/api/v1/reports -H \"Authorization: Bearer $STAFF\" -H 'Prefer: wait=10' \\\n    \
         -H 'Content-Type: application/json' \\\n    \
         -d '{{\"study_id\":\"ONC-301\",\"site_id\":\"H001\",\"subject_id\":\"P-0001\"}}'\n\n\
         A token of an analyst, and what the patients of H001 answered, as CSV; its status and files are at Location:\n  \
         ANALYST={analyst}\n  \
         curl -si {api}/api/v1/exports -H \"Authorization: Bearer $ANALYST\" \\\n    \
         -H 'Content-Type: application/json' \\\n    \
         -d '{{\"site_id\":\"H001\",\"from\":\"2026-01-01T00:00:00Z\",\"to\":\"2028-01-01T00:00:00Z\",\"format\":\"csv\"}}'\n"
    ))
}
