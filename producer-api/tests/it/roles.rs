//! Who may do what: every cell of the table in docs/SECURITY.md, asked of the door itself.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use epro_proving::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SITE, STUDY, door, phq9};

const TABLE: &str = include_str!("../../../docs/SECURITY.md");

/// The scope of each role, as the table's head has it.
fn scope(role: &str) -> Result<&'static str> {
    Ok(match role {
        "patient" => "submit",
        "backend" => "submit:any",
        "site staff" => "read:site report",
        "investigator" => "read:site acknowledge",
        "exporter" => "export",
        "data steward" => "read:identified export export:identified",
        // Theirs are roles of PostgreSQL and users of RabbitMQ; at this door they are nobody.
        "operator" | "auditor" => "operate audit",
        _ => anyhow::bail!("the table has another role: {role}"),
    })
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// A request that whoever may make it is not refused for lack of a right.
async fn status(
    client: &Client,
    url: &str,
    method: &str,
    path: &str,
    token: &str,
    role: &str,
) -> Result<u16> {
    let path = path.replace("{id}", &Uuid::now_v7().to_string()).replace("{name}", "data-0001.csv");
    let mut submission = phq9();
    if role == "backend" {
        submission["subject_id"] = json!("P-1");
    }
    let body = match path.as_str() {
        "/api/v1/epro/submit" => submission,
        "/api/v1/epro/submit/batch" => json!([submission]),
        _ => json!({}),
    };
    let body = body.to_string().into_bytes();
    if method == "DELETE" {
        let http = epro_proving::http::client(std::time::Duration::from_secs(10))?;
        return Ok(http.delete(format!("{url}{path}")).bearer_auth(token).send().await?.status().as_u16());
    }
    let kind = if path.starts_with("/fhir/") { "application/fhir+json" } else { "application/json" };
    let reply = match method {
        "GET" => client.get(&path, token).await?,
        _ => client.post_as(&path, Some(token), kind, body).await?,
    };
    Ok(reply.status)
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_and_nothing_else() -> Result<()> {
    let (stack, api, client) = door().await?;
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
        for (role, cell) in roles.iter().zip(&cells[1..]) {
            let claims = json!({"sub": "P-1", "scope": scope(role)?, "study": STUDY, "site": SITE});
            let token = stack.minter().token(&claims)?;
            let status = status(&client, &api.url(), method, path, &token, role).await?;
            let (may, expected) = match *cell {
                "yes" => (true, "anything but 401, 403 and 5xx"),
                "–" => (false, "403"),
                _ => anyhow::bail!("{row}"),
            };
            let does = status != 403;
            assert!(
                status != 401 && status < 500 && does == may,
                "{method} {path} as {role}: {status}, not {expected}"
            );
        }
    }
    let document: Value = serde_json::from_str(&client.get_open("/openapi.json").await?.body)?;
    let mut there = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        let guarded =
            methods.as_object().into_iter().flatten().filter(|(_, how)| how["security"] != json!([]));
        there.extend(guarded.map(|(method, _)| format!("{method} {path}")));
    }
    assert_eq!(told, there, "the table has every route that asks for a token");
    Ok(())
}
