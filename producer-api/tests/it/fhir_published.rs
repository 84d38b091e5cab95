//! Responses that others published together with their scores, through the FHIR door.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

use crate::fhir::{CREATE, route};
use crate::support::{SITE, STUDY};

/// Every file of the folder, by its name.
fn published() -> Result<Vec<(String, Value)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let name = path.file_stem().and_then(|name| name.to_str()).context("a name")?.to_owned();
            found.push((name, serde_json::from_slice(&std::fs::read(&path)?)?));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// The resource with its patch.
fn patched(file: &Value) -> Result<Value> {
    let mut resource = file["resource"].clone();
    for change in file["patch"].as_array().context("no patch")? {
        ensure!(change["why"].is_string(), "a change without its reason: {change}");
        if let Some(place) = change["set"].as_str() {
            set(&mut resource, place, change["value"].clone())?;
        } else if let Some(place) = change["remove"].as_str() {
            remove(&mut resource, place)?;
        } else if let Some(names) = change["linkIds"].as_object() {
            rename(&mut resource, "linkId", names);
        } else {
            rename(&mut resource, "code", change["codes"].as_object().context("an unknown change")?);
        }
    }
    Ok(resource)
}

fn set(resource: &mut Value, place: &str, value: Value) -> Result<()> {
    let (parent, last) = place.rsplit_once('/').context("a JSON pointer")?;
    match resource.pointer_mut(parent).context("nothing is there")? {
        Value::Object(entries) => drop(entries.insert(last.to_owned(), value)),
        Value::Array(items) => *items.get_mut(last.parse::<usize>()?).context("too short")? = value,
        _ => anyhow::bail!("nothing can be put at {place}"),
    }
    Ok(())
}

fn remove(resource: &mut Value, place: &str) -> Result<()> {
    let (parent, last) = place.rsplit_once('/').context("a JSON pointer")?;
    let items = resource.pointer_mut(parent).and_then(Value::as_array_mut).context("no list is there")?;
    let at = last.parse::<usize>()?;
    ensure!(at < items.len(), "nothing is at {place}");
    items.remove(at);
    Ok(())
}

/// Other words for what stands under `key`, at any depth.
fn rename(value: &mut Value, key: &str, names: &Map<String, Value>) {
    match value {
        Value::Object(entries) => {
            if let Some(word) = entries.get_mut(key)
                && let Some(other) = word.as_str().and_then(|word| names.get(word))
            {
                *word = other.clone();
            }
            entries.values_mut().for_each(|value| rename(value, key, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| rename(value, key, names)),
        _ => {}
    }
}

#[tokio::test]
async fn published_responses_are_stored_with_their_published_scores() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let link = stack.database().connect().await?;
    let files = published()?;
    ensure!(files.len() >= 6, "{} files", files.len());
    for (name, file) in files {
        let expect = &file["expect"];
        let subject = expect["subject"].as_str().context("no subject")?;
        let token = stack.minter().patient(subject, STUDY, SITE)?;
        let reply = client.post_fhir(CREATE, &token, &[], &patched(&file)?).await?;
        assert_eq!(reply.status, 201, "{name}: {}", reply.body);
        let id = reply.header("location").and_then(|place| place.rsplit('/').next()).context("no id")?;
        let sql = format!(
            "SELECT score.value, score.band,
                (SELECT count(*) FROM ops.alert WHERE submission_id = '{id}'),
                (SELECT coalesce(jsonb_agg(found ->> 'check'), '[]') FROM jsonb_array_elements(response.checks) AS found)
             FROM research.response JOIN research.score USING (response_id) WHERE response.submission_id = '{id}'"
        );
        let row = link.client.query_one(&sql, &[]).await.with_context(|| name.clone())?;
        let (score, band): (Option<f64>, Option<String>) = (row.get(0), row.get(1));
        assert_eq!((score, band.as_deref()), (expect["score"].as_f64(), expect["band"].as_str()), "{name}");
        assert_eq!(Some(row.get::<_, i64>(2)), expect["alerts"].as_i64(), "{name}");
        assert_eq!(row.get::<_, Value>(3), expect["checks"], "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_published_lacks_what_its_patch_gives_it() -> Result<()> {
    let (stack, _services, client) = route().await?;
    for (name, file) in published()? {
        let subject = file["expect"]["subject"].as_str().context("no subject")?;
        let token = stack.minter().patient(subject, STUDY, SITE)?;
        let reply = client.post_fhir(CREATE, &token, &[], &file["resource"]).await?;
        let issues = reply.json()?["issue"].clone();
        let issues = issues.as_array().context("no issues")?;
        assert_eq!(reply.status, 422, "{name}: {}", reply.body);
        for place in ["QuestionnaireResponse.identifier", "QuestionnaireResponse.questionnaire"] {
            let told = issues.iter().any(|issue| issue["expression"][0] == place);
            assert!(told, "{name}, {place}: {}", reply.body);
        }
    }
    Ok(())
}
