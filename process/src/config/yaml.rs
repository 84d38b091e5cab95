//! YAML in and out, as a tree. The only file that names the YAML library.

use std::fmt::Write as _;

use serde_json::Value;

/// Reads YAML into a tree. The error says where, never what: the text may hold a secret.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options::<Option<Value>>(text, options)
        .map(Option::unwrap_or_default)
        .map_err(|error| match error.location() {
            Some(at) => format!(
                "is not valid YAML (or has a key twice) near line {}, column {}",
                at.line(),
                at.column()
            ),
            None => "is not valid YAML".to_owned(),
        })
}

/// Writes a tree as YAML that [`parse`] reads back.
pub(crate) fn print(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let _ =
                    write!(out, "{:depth$}{}:", "", scalar(&Value::String(key.clone())), depth = depth * 2);
                nested(out, value, depth + 1);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(out, "{:depth$}-", "", depth = depth * 2);
                nested(out, item, depth + 1);
            }
        }
        other => {
            let _ = writeln!(out, "{}", scalar(other));
        }
    }
}

fn nested(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            out.push('\n');
            block(out, value, depth);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, depth);
        }
        other => {
            let _ = writeln!(out, " {}", scalar(other));
        }
    }
}

/// Text that could be taken for something else is quoted, as JSON, which YAML reads.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn plain(text: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let word = !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    word && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.chars().all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        let tree = serde_json::json!({
            "a": {"b": "2s", "c": [], "d": {}, "e": null, "on": true},
            "list": [{"kid": "k 1", "n": 0.5}, "007", "no", "a: b", "2500ms", "x\ny"],
        });
        assert_eq!(parse(&print(&tree)).unwrap(), tree);
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error_without_the_text() {
        let error = parse("broker:\n  url: s3cret\n  url: s3cret\n").unwrap_err();
        assert!(error.contains("line 3"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn an_empty_file_is_null() {
        assert_eq!(parse("# nothing\n").unwrap(), Value::Null);
    }
}
