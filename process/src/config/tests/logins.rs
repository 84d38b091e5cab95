//! Logins and keys in addresses: refused, or never shown.

use super::*;

/// Every address there is, with LOGIN where none may stand, and a secret wherever one may.
const ADDRESSES: &str = "
broker: { url: 'amqp://us3r:s3cret@localhost/v?key=s3cret', management_url: 'http://us3r:s3cret@localhost:15672' }
postgres: { url: 'postgres://us3r:s3cret@localhost/p?password=s3cret' }
auth: { issuer: 'https://id.example', audience: epro, jwks: { url: 'https://LOGINid.example/keys?key=s3cret' } }
console: { origin: 'https://LOGINepro.example' }
sites: { H001: {}, H002: {}, H003: {} }
studies: { ONC-301: { risk: { url: 'https://LOGINmodel.example/score', token: s3cret } } }
hospitals:
  H001:
    protocol: fhir
    url: 'https://LOGINhis.example/fhir'
    auth: { kind: oauth2, token_url: 'https://LOGINid.example/token', client_id: us3r, client_secret: s3cret }
  H002: { protocol: hl7v2, url: 'mllps://LOGINhis.example:2575' }
  H003: { protocol: fhir, url: 'https://his.example', auth: { kind: basic, user: us3r, password: s3cret } }
alerts:
  link: 'https://LOGINepro.example/alerts/{alert}'
  smtp: { host: 'LOGINmail.example', user: us3r, password: s3cret, from: 'relay@hospital.example' }
  sms:
    url: 'https://us3r:s3cret@gateway.example/s3cret/messages?key=s3cret'
    headers: { X-Key: s3cret }
    body: '{\"to\": \"{to}\", \"text\": \"{text}\", \"key\": \"s3cret\"}'
exports: { s3: { endpoint: 'https://LOGINs3.example', bucket: b, access_key: us3r, secret_key: s3cret } }
audit: { s3: { endpoint: 'https://LOGINs3.example', bucket: b, access_key: us3r, secret_key: s3cret } }
traces: { endpoint: 'https://LOGINotel.example:4318' }
";

fn with(login: &str) -> (Config, Vec<Problem>) {
    read(&ADDRESSES.replace("LOGIN", login), &[])
}

#[test]
fn an_address_that_is_shown_holds_no_login() {
    for login in ["us3r:s3cret@", "us3r@", ":s3cret@"] {
        let (_, problems) = with(login);
        assert_eq!(
            paths(&problems),
            [
                "alerts.link",
                "alerts.smtp.host",
                "audit.s3.endpoint",
                "auth.jwks.url",
                "console.origin",
                "exports.s3.endpoint",
                "hospitals.H001.auth.token_url",
                "hospitals.H001.url",
                "hospitals.H002.url",
                "studies.ONC-301.risk.url",
                "traces.endpoint",
            ],
            "{login}"
        );
        let told = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(!told.contains("s3cret") && !told.contains("us3r"), "{told}");
    }
}

#[test]
fn nothing_of_an_address_that_may_be_a_secret_is_shown() {
    let (config, problems) = with("");
    assert_eq!(problems, []);
    let shown = config.printable();
    assert!(!shown.contains("s3cret") && !shown.contains("us3r"), "{shown}");
    for place in ["https://id.example/keys?[hidden]", "https://[hidden]@gateway.example/[hidden]"] {
        assert!(shown.contains(place), "{shown}");
    }
    let url = config.auth.jwks.unwrap().url;
    assert_eq!(url.query(), Some("key=s3cret"), "it is asked for all the same");
}

#[test]
fn only_the_issuers_keys_are_asked_for_with_a_query() {
    for key in ["exports", "audit"] {
        let s3 = "endpoint: 'https://s3.example/?a=b', bucket: b, access_key: a, secret_key: s";
        let (_, problems) = read(&format!("{LEAST}{key}: {{ s3: {{ {s3} }} }}\n"), &[]);
        assert_eq!(paths(&problems), [format!("{key}.s3.endpoint")]);
    }
}
