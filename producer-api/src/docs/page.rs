//! The OpenAPI document as HTML.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::refusal::Kind;
use crate::router::Route;

/// The page.
pub(super) fn render(document: &Value) -> String {
    let mut out = String::with_capacity(32 * 1024);
    let title = escape(text(&document["info"]["title"]));
    out.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    let _ = write!(out, "<title>{title}</title><link rel=\"stylesheet\" href=\"/docs.css\"></head><body>");
    let _ = write!(
        out,
        "<h1>{title}</h1><p class=\"soft\">Version {}, ",
        escape(text(&document["info"]["version"]))
    );
    out.push_str("<a href=\"/openapi.json\">OpenAPI 3.1 document</a></p>");
    paragraph(&mut out, &document["info"]["description"]);
    contents(&mut out, document);
    out.push_str("<h2 id=\"token\">Tokens</h2>");
    paragraph(&mut out, &document["components"]["securitySchemes"]["token"]["description"]);
    for (path, method, operation) in operations(document) {
        self::operation(&mut out, path, method, operation);
    }
    problems(&mut out);
    out.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let _ = write!(out, "<h3 id=\"schema-{0}\">{0}</h3>", escape(name));
        self::schema(&mut out, schema);
    }
    out.push_str("</body></html>");
    out
}

/// Path, method and operation, in the order of the routes.
fn operations(document: &Value) -> impl Iterator<Item = (&'static str, &String, &Value)> {
    Route::ALL.into_iter().flat_map(|route| {
        let item = entries(&document["paths"][route.path()]);
        item.into_iter().map(move |(method, operation)| (route.path(), method, operation))
    })
}

fn contents(out: &mut String, document: &Value) {
    out.push_str("<div class=\"scroll\"><table>");
    for (path, method, operation) in operations(document) {
        let (id, summary) = (escape(text(&operation["operationId"])), escape(text(&operation["summary"])));
        let (path, method) = (escape(path), method.to_ascii_uppercase());
        let _ = write!(out, "<tr><td><a href=\"#{id}\"><span class=\"method\">{method}</span>");
        let _ = write!(out, "<code>{path}</code></a></td><td>{summary}</td></tr>");
    }
    out.push_str("</table></div>");
}

fn operation(out: &mut String, path: &str, method: &str, operation: &Value) {
    let (id, method) = (escape(text(&operation["operationId"])), method.to_ascii_uppercase());
    let path = escape(path);
    let _ = write!(out, "<h2 id=\"{id}\"><span class=\"method\">{method}</span><code>{path}</code></h2>");
    let _ = write!(out, "<p><strong>{}.</strong></p>", escape(text(&operation["summary"])));
    paragraph(out, &operation["description"]);
    if operation["security"].as_array().is_some_and(Vec::is_empty) {
        out.push_str("<p class=\"soft\">Needs no token.</p>");
    }
    let content = entries(&operation["requestBody"]["content"]);
    if !content.is_empty() {
        out.push_str("<h3>Body</h3>");
    }
    for (content_type, body) in content {
        let _ = write!(out, "<p><code>{}</code>: {}</p>", escape(content_type), kind(&body["schema"]));
        if body["example"].is_object() {
            let example = serde_json::to_string_pretty(&body["example"]).unwrap_or_default();
            let _ = write!(out, "<pre>{}</pre>", escape(&example));
        }
    }
    out.push_str("<h3>Answers</h3><div class=\"scroll\"><table>");
    for (status, response) in entries(&operation["responses"]) {
        let contents = entries(&response["content"]);
        let body = contents.first().map(|(_, body)| kind(&body["schema"])).unwrap_or_default();
        let description = text(&response["description"]);
        let description = if status.as_str() < "400" { escape(description) } else { links(description) };
        let _ = write!(
            out,
            "<tr><td><code>{}</code></td><td>{description}</td><td>{body}</td></tr>",
            escape(status)
        );
    }
    out.push_str("</table></div>");
}

fn problems(out: &mut String) {
    out.push_str(
        "<h2 id=\"problems\">Problems</h2><p>Every refusal is <code>application/problem+json</code>. ",
    );
    out.push_str(
        "<code>errors</code> says what is wrong by JSON pointer and rule, and never repeats a value; ",
    );
    out.push_str("a key that isn’t one of ours is named by its place, like <code>/answers/#3</code>.</p>");
    out.push_str("<div class=\"scroll\"><table>");
    let mut told = Vec::new();
    for kind in Kind::ALL {
        if !told.contains(&kind.slug()) {
            told.push(kind.slug());
            let (slug, status, title) = (kind.slug(), kind.status(), escape(kind.title()));
            let _ = write!(
                out,
                "<tr id=\"{slug}\"><td><code>{slug}</code></td><td>{status}</td><td>{title}</td></tr>"
            );
        }
    }
    out.push_str("</table></div>");
}

fn schema(out: &mut String, schema: &Value) {
    paragraph(out, &schema["description"]);
    let properties = entries(&schema["properties"]);
    if properties.is_empty() {
        let _ = write!(out, "<p>{}</p>", kind(schema));
        return;
    }
    out.push_str("<div class=\"scroll\"><table>");
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    for (name, property) in properties {
        let mark =
            if required.contains(&name.as_str()) { "" } else { " <span class=\"soft\">optional</span>" };
        let (name, kind, says) = (escape(name), kind(property), escape(text(&property["description"])));
        let _ = write!(out, "<tr><td><code>{name}</code>{mark}</td><td>{kind}</td><td>{says}</td></tr>");
    }
    out.push_str("</table></div>");
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let words: Vec<&str> = match &schema["type"] {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().map(text).collect(),
        _ => Vec::new(),
    };
    let mut out = escape(&words.join(" or "));
    if words.contains(&"array") && !schema["items"].is_null() {
        let _ = write!(out, " of {}", kind(&schema["items"]));
    }
    if let Some(format) = schema["format"].as_str() {
        let _ = write!(out, " ({})", escape(format));
    }
    for key in ["pattern", "maxLength", "maxItems", "maxProperties"] {
        if !schema[key].is_null() {
            let value = schema[key].as_str().map_or_else(|| schema[key].to_string(), str::to_owned);
            let _ = write!(out, " <span class=\"soft\">{key}</span> <code>{}</code>", escape(&value));
        }
    }
    out
}

/// Names of problems, each with a link to its line.
fn links(names: &str) -> String {
    let link = |name: &str| format!("<a href=\"#{0}\">{0}</a>", escape(name));
    names.split(", ").map(link).collect::<Vec<_>>().join(", ")
}

fn paragraph(out: &mut String, value: &Value) {
    if let Some(says) = value.as_str() {
        let _ = write!(out, "<p>{}</p>", escape(says));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn entries(value: &Value) -> Vec<(&String, &Value)> {
    value.as_object().map(Map::iter).into_iter().flatten().collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::DOCUMENT;

    #[test]
    fn the_page_tells_every_route_and_loads_nothing_but_its_style() {
        let page = render(&DOCUMENT);
        for route in Route::ALL {
            assert!(page.contains(&format!("<code>{}</code></h2>", route.path())), "{}", route.path());
        }
        assert_eq!(page.matches("<link").count(), 1);
        for foreign in ["<script", "http://", "https://", "style=", "<img", "onclick"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_link_within_the_page_leads_somewhere() {
        let page = render(&DOCUMENT);
        for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn what_could_be_markup_is_escaped() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
