//! Who may do what: every cell of the table in docs/SECURITY.md, asked of the door itself, about what is there.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use epro_proving::client::Reply;
use epro_proving::database::Link;
use epro_proving::sealed::Keys;
use epro_proving::{Client, Stack, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fhir::{BUNDLE, CREATE, response};
use crate::support::{BATCH, SITE, STUDY, SUBMIT, alerting, phq9};

const TABLE: &str = include_str!("../../../docs/SECURITY.md");
const EXPORTS: &str = "/api/v1/exports";
const BOUND: Duration = Duration::from_secs(60);

/// The scope of each role, as the table's head has it.
fn scope(role: &str) -> Result<&'static str> {
    Ok(match role {
        "patient" => "submit",
        "backend" => "submit:any",
        "site staff" => "read:site report",
        "investigator" => "read:site acknowledge",
        "exporter" => "export",
        "data steward" => "read:identified export export:identified",
        // Whatever they may at the console, at this door they are nobody.
        "operator" => "console:operator console:steward",
        "auditor" => "console:viewer",
        _ => anyhow::bail!("the table has another role: {role}"),
    })
}

fn token(stack: &Stack, role: &str) -> Result<String> {
    let claims = json!({"sub": "P-1", "scope": scope(role)?, "study": STUDY, "site": SITE});
    stack.minter().token(&claims)
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// What is there to be asked for, all of one patient.
struct There {
    submission: String,
    alert: String,
    report: String,
    export: String,
    file: String,
}

impl There {
    /// Stored, alerted, reported and exported before anybody asks.
    async fn make(stack: &Stack, client: &Client) -> Result<Self> {
        let link = stack.database().connect().await?;
        let submission = alerting();
        let reply = client.submit("P-1", &submission).await?;
        ensure!(reply.status == 202, "{reply:?}");
        let alert = until("the submission and its alert to be stored", BOUND, || async {
            let row = link.client.query_opt("SELECT alert_id::text FROM ops.alert", &[]).await?;
            Ok(row.map(|row| row.get::<_, String>(0)))
        })
        .await?;
        let report = report(stack, &link).await?;
        let (export, file) = export(client, &token(stack, "exporter")?).await?;
        let submission = submission["submission_id"].as_str().context("no id")?.to_owned();
        Ok(Self { submission, alert, report, export, file })
    }

    /// The path of a route with what is there in it.
    fn fill(&self, path: &str) -> Result<String> {
        let id = match path.split_once("{id}").map(|(before, _)| before) {
            None => return Ok(path.to_owned()),
            Some("/api/v1/epro/submissions/" | "/fhir/R4/QuestionnaireResponse/") => &self.submission,
            Some("/api/v1/alerts/") => &self.alert,
            Some("/api/v1/reports/") => &self.report,
            Some("/api/v1/exports/") => &self.export,
            Some(other) => anyhow::bail!("nothing is there to be asked for under {other}"),
        };
        Ok(path.replace("{id}", id).replace("{name}", &self.file))
    }
}

/// A report that was made: a worker would need a hospital to ask.
async fn report(stack: &Stack, link: &Link) -> Result<String> {
    let id = Uuid::now_v7();
    let sealed = Keys::read(stack.folder())?.seal("epro.report-body.v1", id, b"{}")?;
    let body: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    let row = format!(
        "INSERT INTO ops.report (report_id, pseudonym, study_id, site_id, state, requested_at, deadline_at,
             expires_at, finished_at, complete, missing, body)
         VALUES ('{id}', '{id}', '{STUDY}', '{SITE}', 'done', now(), now(),
             now() + interval '1 hour', now(), true, '[]', '\\x{body}')"
    );
    link.client.batch_execute(&row).await?;
    Ok(id.to_string())
}

/// An export that is done, and a file of it that holds rows.
async fn export(client: &Client, token: &str) -> Result<(String, String)> {
    let reply = client.post(EXPORTS, token, body(EXPORTS, "exporter").to_string().into_bytes()).await?;
    let place = reply.header("location").with_context(|| format!("{reply:?}"))?.to_owned();
    let done = until("the export to be done", BOUND, || async {
        let status = client.get(&place, token).await?.json()?;
        Ok((status["state"] == "done").then_some(status))
    })
    .await?;
    ensure!(done["rows"] == 1, "{done}");
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    // The first is the manifest.
    Ok((text(&done["export_id"])?, text(&done["files"][1]["name"])?))
}

/// What a route is sent by whoever may.
fn body(path: &str, role: &str) -> Value {
    let mut submission = phq9();
    if role == "backend" {
        submission["subject_id"] = json!("P-1");
    }
    let post = json!({"method": "POST", "url": "QuestionnaireResponse"});
    match path {
        SUBMIT => submission,
        BATCH => json!([submission]),
        CREATE => response(),
        BUNDLE => {
            let entry = json!({"resource": response(), "request": post});
            json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]})
        }
        "/api/v1/reports" => json!({"study_id": STUDY, "site_id": SITE, "subject_id": "P-1"}),
        EXPORTS => json!({
            "site_id": SITE, "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "format": "csv",
        }),
        _ => json!({}),
    }
}

/// The request of a cell.
async fn ask(
    client: &Client,
    url: &str,
    (method, path): (&str, &str),
    (token, role): (&str, &str),
) -> Result<Reply> {
    match method {
        "GET" => client.get(path, token).await,
        "POST" => {
            let kind = if path.starts_with("/fhir/") { "application/fhir+json" } else { "application/json" };
            client.post_as(path, Some(token), kind, body(path, role).to_string().into_bytes()).await
        }
        _ => {
            let http = epro_proving::http::client(Duration::from_secs(10))?;
            let answer = http.delete(format!("{url}{path}")).bearer_auth(token).send().await?;
            let status = answer.status().as_u16();
            Ok(Reply { status, headers: Vec::new(), body: answer.text().await? })
        }
    }
}

/// Whether who asked got it: where the answer is one for each of several, the one that there is.
fn got(path: &str, reply: &Reply) -> Result<bool> {
    let inner = match path {
        BATCH => reply.status != 200 || reply.json()?["received"] == 1,
        BUNDLE => {
            let entry = |reply: Value| reply["entry"][0]["response"]["status"].as_str().map(str::to_owned);
            reply.status != 200 || entry(reply.json()?).is_some_and(|status| status.starts_with("20"))
        }
        _ => true,
    };
    Ok(inner && (200..300).contains(&reply.status))
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_and_nothing_else() -> Result<()> {
    let stack = Stack::new().await?;
    // With the rights that the door has in production, and no others.
    let login = stack.database().login("epro_intake").await?;
    let mut api = stack.spawn("epro-producer-api", &[("EPRO__POSTGRES__URL", login.url())])?;
    let lanes = [("EPRO__WORKER__LANES", "[submissions, commands, exports]")];
    let mut worker = stack.spawn("epro-worker", &lanes)?;
    tokio::try_join!(api.ready(), worker.ready())?;
    let client = stack.client(&api)?;
    let there = There::make(&stack, &client).await?;
    let rows = TABLE
        .lines()
        .filter(|line| ["| `POST ", "| `GET ", "| `DELETE "].iter().any(|s| line.starts_with(s)));
    let head = TABLE.lines().find(|line| line.starts_with("| route |")).context("no table")?;
    let roles = &cells(head)[1..];
    assert_eq!(roles.len(), 8);
    let mut told = BTreeSet::new();
    for row in rows {
        let cells = cells(row);
        let (method, path) = cells[0].trim_matches('`').split_once(' ').context("no method")?;
        told.insert(format!("{} {path}", method.to_ascii_lowercase()));
        let path = there.fill(path)?;
        for (role, cell) in roles.iter().zip(&cells[1..]) {
            let token = token(&stack, role)?;
            let reply = ask(&client, &api.url(), (method, &path), (&token, role)).await?;
            let as_told = match *cell {
                "yes" => got(&path, &reply)?,
                "–" => reply.status == 403,
                _ => anyhow::bail!("{row}"),
            };
            assert!(as_told, "{method} {path} as {role} is to be {cell}: {} {}", reply.status, reply.body);
        }
    }
    let document: Value = serde_json::from_str(&client.get_open("/openapi.json").await?.body)?;
    let mut routes = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        let guarded =
            methods.as_object().into_iter().flatten().filter(|(_, how)| how["security"] != json!([]));
        routes.extend(guarded.map(|(method, _)| format!("{method} {path}")));
    }
    assert_eq!(told, routes, "the table has every route that asks for a token");
    Ok(())
}
