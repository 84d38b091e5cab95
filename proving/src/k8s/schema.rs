//! The definitions of the kinds that are used, and a strict walk over an object along them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::objects::name;

/// Kubernetes' own kinds; `proving/k8s/cut.py` says where they come from.
const KUBERNETES: &str = include_str!("../../k8s/kubernetes.json");
/// Kinds of operators, written down by hand.
const CUSTOM: &str = include_str!("../../k8s/custom.yaml");

/// Definitions by name.
#[derive(Debug, Deserialize)]
pub struct Schemas {
    /// `apps/v1/Deployment` -> the name of its type.
    kinds: BTreeMap<String, String>,
    types: BTreeMap<String, Type>,
}

#[derive(Debug, Deserialize)]
struct Type {
    /// Field -> `string`, `enum(TCP,UDP)`, `[Container]`, `{quantity}`, `PodSpec` …
    fields: BTreeMap<String, String>,
    required: Vec<String>,
}

impl Schemas {
    /// Those that are kept here.
    pub fn load() -> Result<Self> {
        let mut all: Self = serde_json::from_str(KUBERNETES).context("kubernetes.json")?;
        let custom: Self = serde_saphyr::from_str(CUSTOM).context("custom.yaml")?;
        all.kinds.extend(custom.kinds);
        all.types.extend(custom.types);
        Ok(all)
    }

    /// Everything in an object that its kind doesn't allow, by path.
    pub fn check(&self, object: &Value) -> Vec<String> {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let kind = format!("{}/{}", text("apiVersion"), text("kind"));
        let mut problems = Vec::new();
        match self.kinds.get(&kind) {
            None => problems.push(format!("{}: nobody wrote down what a {kind} is", name(object))),
            Some(named) => self.walk(named, object, &name(object), &mut problems),
        }
        problems
    }

    fn walk(&self, named: &str, value: &Value, path: &str, problems: &mut Vec<String>) {
        let inner = |open: char, close: char| named.strip_prefix(open).and_then(|n| n.strip_suffix(close));
        let fits = if let Some(item) = inner('[', ']') {
            value.as_array().is_some_and(|values| {
                let each = values.iter().enumerate();
                each.for_each(|(at, value)| self.walk(item, value, &format!("{path}[{at}]"), problems));
                true
            })
        } else if let Some(item) = inner('{', '}') {
            value.as_object().is_some_and(|values| {
                values
                    .iter()
                    .for_each(|(key, value)| self.walk(item, value, &format!("{path}.{key}"), problems));
                true
            })
        } else if let Some(words) = named.strip_prefix("enum(").and_then(|words| words.strip_suffix(')')) {
            value.as_str().is_some_and(|value| words.split(',').any(|word| word == value))
        } else {
            match named {
                "any" => true,
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "intstr" => value.is_string() || value.is_i64() || value.is_u64(),
                "quantity" => value.is_number() || value.as_str().is_some_and(is_quantity),
                _ => return self.fields(named, value, path, problems),
            }
        };
        if !fits {
            problems.push(format!("{path} has to be {named}"));
        }
    }

    fn fields(&self, named: &str, value: &Value, path: &str, problems: &mut Vec<String>) {
        let (Some(definition), Some(values)) = (self.types.get(named), value.as_object()) else {
            return problems.push(format!("{path} has to be {named}"));
        };
        for (key, value) in values {
            match definition.fields.get(key) {
                Some(field) => self.walk(field, value, &format!("{path}.{key}"), problems),
                None => problems.push(format!("{path}.{key}: {named} has no such field")),
            }
        }
        for key in definition.required.iter().filter(|key| !values.contains_key(*key)) {
            problems.push(format!("{path}.{key} is required"));
        }
    }
}

/// `500m`, `128Mi`, `2`, `1.5`, `5G`.
fn is_quantity(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    number.parse::<f64>().is_ok()
        && ["", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"].contains(&suffix)
}
