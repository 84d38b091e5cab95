//! What a model answers: `{"version": "…", "score": 0.42}`, and nothing of it is believed unseen.

use epro_store::risk::RiskScore;
use serde::Deserialize;

/// The longest version that is stored.
const LONGEST_VERSION: usize = 64;

#[derive(Deserialize)]
struct Answer {
    version: String,
    score: f64,
}

/// The score in an answer's body; or the rule that it breaks, which repeats none of its words.
pub(super) fn read(body: &[u8]) -> Result<RiskScore, &'static str> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| "the answer isn't a JSON object with a text `version` and a number `score`")?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || ".-_+:".contains(c);
    if answer.version.is_empty()
        || answer.version.len() > LONGEST_VERSION
        || !answer.version.chars().all(harmless)
    {
        return Err("the answer's version isn't 1 to 64 letters, digits, dots, - _ + or :");
    }
    if !(0.0..=1.0).contains(&answer.score) {
        return Err("the answer's score isn't from 0 to 1");
    }
    Ok(RiskScore { version: answer.version, score: answer.score })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_from_0_to_1_with_a_version_is_believed() {
        let read = |text: &str| read(text.as_bytes());
        let believed = read(r#"{"version": "risk-2.1", "score": 1, "why": "x"}"#).unwrap();
        assert_eq!(believed, RiskScore { version: "risk-2.1".to_owned(), score: 1.0 });
        assert!(read(r#"{"version": "1", "score": 0}"#).is_ok());
    }

    #[test]
    fn anything_else_is_named_by_its_rule_and_never_repeated() {
        for (text, word) in [
            ("<html>", "JSON"),
            ("{}", "JSON"),
            (r#"{"version": 1, "score": 0.1}"#, "JSON"),
            (r#"{"version": "1", "score": "0.1"}"#, "JSON"),
            (r#"{"version": "1", "score": null}"#, "JSON"),
            (r#"{"version": "", "score": 0.1}"#, "version"),
            (r#"{"version": "P-Quillon \n", "score": 0.1}"#, "version"),
            (r#"{"version": "1", "score": 1.0001}"#, "score"),
            (r#"{"version": "1", "score": -0.1}"#, "score"),
            (r#"{"version": "1", "score": 1e999}"#, "JSON"),
        ] {
            let rule = read(text.as_bytes()).unwrap_err();
            assert!(rule.contains(word), "{text}: {rule}");
            assert!(!rule.contains("Quillon"));
        }
    }
}
