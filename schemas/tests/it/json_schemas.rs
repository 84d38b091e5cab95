//! The JSON Schemas in `json/` say what the code does.

use std::collections::BTreeSet;
use std::path::Path;

use epro_schemas::json_schema;
use serde_json::{Value, json};

use crate::sample::{phq_9, refusal, with};

fn submission() -> Value {
    let schema = json_schema::all().into_iter().find(|(name, _)| *name == "submission").unwrap().1;
    schema.to_value()
}

#[test]
fn the_files_are_generated_from_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut names = BTreeSet::new();
    for (name, schema) in json_schema::all() {
        let path = directory.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if update {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{} has drifted: UPDATE_SCHEMAS=1 cargo test -p epro-schemas", path.display());
        names.insert(path.file_name().unwrap().to_owned());
    }
    let found: BTreeSet<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(found, names, "files that no type stands behind");
}

#[test]
fn the_schema_and_the_parser_know_the_same_fields() {
    let schema = submission();
    let properties = schema["properties"].as_object().unwrap();
    for field in properties.keys() {
        let found = refusal(&with(phq_9([0; 9]), field, json!({ "unfit": [] })));
        assert!(found.iter().all(|line| !line.contains("not a field")), "{field}: {found:?}");
        assert!(found.iter().any(|line| line.starts_with(&format!("/{field}"))), "{field}: {found:?}");
    }
    assert_eq!(refusal(&with(phq_9([0; 9]), "surplus", json!(1))), ["/#7: is not a field of a submission"]);
}

#[test]
fn the_schema_and_the_parser_require_the_same_fields_and_take_null_for_the_others() {
    let schema = submission();
    let required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    for field in schema["properties"].as_object().unwrap().keys() {
        let body = with(phq_9([0; 9]), field, Value::Null);
        let missing = crate::sample::parse(&body).is_err();
        assert_eq!(missing, required.contains(&field.as_str()), "{field}");
        let types = &schema["properties"][field]["type"];
        let nullable = types.as_array().is_some_and(|types| types.contains(&json!("null")));
        assert_eq!(nullable, !missing, "{field}");
    }
}
