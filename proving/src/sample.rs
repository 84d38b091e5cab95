//! The sample configuration: one YAML file and its keys, for given services.

use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::token::Minter;

/// Issuer of the sample's tokens.
pub const ISSUER: &str = "https://id.epro.example";
/// Audience of the sample's tokens.
pub const AUDIENCE: &str = "epro-relay";
/// Id of the sample's HS256 key.
pub const KID: &str = "app-1";
/// The sample's hospitals; each has a follow-on queue except the last.
pub const SITES: [&str; 4] = ["H001", "H002", "H003", "H004"];
/// A hospital that nobody has.
const NOWHERE: &str = "http://127.0.0.1:9/fhir";
/// The sample's studies; the last one is de-identified by Safe Harbor.
pub const STUDIES: [&str; 3] = ["ONC-301", "PAIN-7", "PSY-12"];

/// Where the services are, and what is different from the usual.
#[derive(Clone, Debug)]
pub struct Sample {
    /// AMQP URL with its vhost.
    pub broker: String,
    /// Management URL with user and password.
    pub management: String,
    /// PostgreSQL URL.
    pub postgres: String,
    /// Port on 127.0.0.1 of the mail server that takes notices, if there is one.
    pub smtp: Option<u16>,
    /// Laid over the configuration, key by key; null for nothing.
    pub overlay: Value,
}

impl Sample {
    /// Writes `config.yaml` and `keys/` into `folder`; keys that are there stay.
    pub fn write(&self, folder: &Path) -> Result<Minter> {
        let keys = folder.join("keys");
        std::fs::create_dir_all(&keys)?;
        for name in ["seal-k1", "pseudonym-p1", "auth-app-1"] {
            key(&keys.join(name))?;
        }
        let mut config = self.config(&keys);
        if let Some(port) = self.smtp {
            config["alerts"] = alerts(port);
        }
        lay_over(&mut config, &self.overlay);
        // JSON is YAML; one key a line keeps it readable.
        let text = serde_json::to_string_pretty(&config)?;
        std::fs::write(folder.join("config.yaml"), text).context("write config.yaml")?;
        minter(folder)
    }

    fn config(&self, keys: &Path) -> Value {
        let file = |name: &str| keys.join(name).display().to_string();
        let sites: serde_json::Map<_, _> = SITES.iter().map(|site| ((*site).to_owned(), json!({}))).collect();
        // Nobody answers there: whoever calls hospitals says where they are.
        let nowhere = |site: &&str| ((*site).to_owned(), json!({"protocol": "fhir", "url": NOWHERE}));
        let hospitals: serde_json::Map<_, _> = SITES.iter().take(3).map(nowhere).collect();
        json!({
            "broker": {"url": self.broker, "management_url": self.management},
            "postgres": {"url": self.postgres},
            "keys": {
                "seal": {"current": "k1", "files": {"k1": file("seal-k1")}},
                "pseudonym": {"id": "p1", "file": file("pseudonym-p1")},
            },
            "studies": {
                "ONC-301": {"profile": "limited_data_set"},
                "PAIN-7": {"profile": "limited_data_set"},
                "PSY-12": {"profile": "safe_harbor"},
            },
            "sites": sites,
            "hospitals": hospitals,
            "auth": {
                "issuer": ISSUER,
                "audience": AUDIENCE,
                "keys": [{"kid": KID, "algorithm": "HS256", "file": file("auth-app-1")}],
            },
        })
    }
}

/// Two people at each site, and an operator.
fn alerts(port: u16) -> Value {
    let person = |name: String, role: &str| json!({"name": name, "role": role, "email": format!("{name}@epro.example")});
    let people = |site: &str| {
        let site = site.to_ascii_lowercase();
        json!([
            person(format!("lee.{site}"), "investigator"),
            person(format!("cho.{site}"), "sub-investigator")
        ])
    };
    let recipients: serde_json::Map<_, _> =
        SITES.iter().map(|site| ((*site).to_owned(), people(site))).collect();
    json!({
        "link": "https://epro.example/alerts/{alert}",
        "smtp": {"host": "127.0.0.1", "port": port, "tls": "none", "from": "relay@epro.example"},
        "recipients": recipients,
        "operators": [person("ann".to_owned(), "operator")],
    })
}

/// The minter of tokens that a folder's configuration accepts.
pub fn minter(folder: &Path) -> Result<Minter> {
    let secret = std::fs::read(folder.join("keys/auth-app-1")).context("read the token key")?;
    // The file's text without its line end is the secret, as the API reads it.
    Ok(Minter::hs256(ISSUER, AUDIENCE, KID, secret.trim_ascii_end()))
}

fn key(path: &Path) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if path.exists() {
        return Ok(());
    }
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().context("no randomness")?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", base64(&bytes))?;
    Ok(())
}

/// Changes what `over` names, key by key; null changes nothing.
pub(crate) fn lay_over(under: &mut Value, over: &Value) {
    match (under, over) {
        (_, Value::Null) => {}
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let six = (word >> (18 - 6 * at)) & 63;
            out.push(if at <= chunk.len() { ALPHABET[six as usize] as char } else { '=' });
        }
    }
    out
}

/// Bytes of standard base64; `None` when it is something else.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .trim()
        .trim_end_matches('=')
        .bytes()
        .map(|digit| ALPHABET.iter().position(|a| *a == digit).map(|at| at as u32))
        .collect::<Option<_>>()?;
    let mut out = Vec::new();
    for chunk in digits.chunks(4) {
        let word = chunk.iter().fold(0, |word, six| word << 6 | six) << (6 * (4 - chunk.len()));
        out.extend((0..chunk.len().saturating_sub(1)).map(|at| (word >> (16 - 8 * at)) as u8));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
            assert_eq!(from_base64(text).unwrap(), plain.as_bytes());
        }
        assert_eq!(from_base64("%%"), None);
    }

    #[test]
    fn an_overlay_changes_only_what_it_names() {
        let mut config = json!({"a": {"b": 1, "c": 2}, "d": 3});
        lay_over(&mut config, &json!({"a": {"c": 5}, "e": 6}));
        assert_eq!(config, json!({"a": {"b": 1, "c": 5}, "d": 3, "e": 6}));
    }
}
