//! Plain text, where others could read along.

use super::*;

/// Every hop in plain text to HOST, and every door of ours in plain text at LISTEN.
const PLAIN: &str = "
broker: { url: 'amqp://a:b@HOST/v', management_url: 'http://a:b@HOST:15672' }
postgres: { url: 'postgres://a:b@HOST/p' }
auth: { issuer: 'https://id.example', audience: epro, jwks: { url: 'http://HOST/keys' } }
intake: { listen: 'LISTEN:8080' }
console: { listen: 'LISTEN:8090', origin: 'https://epro.example' }
sites: { H001: {}, H002: {} }
studies: { ONC-301: { risk: { url: 'http://HOST/score' } } }
hospitals:
  H001:
    protocol: fhir
    url: 'http://HOST/fhir'
    auth: { kind: oauth2, token_url: 'http://HOST/token', client_id: a, client_secret: b }
  H002: { protocol: hl7v2, url: 'mllp://HOST:2575' }
alerts:
  smtp: { host: HOST, tls: none, from: 'relay@hospital.example' }
  sms: { url: 'http://HOST/messages' }
exports: { s3: { endpoint: 'http://HOST', bucket: b, access_key: a, secret_key: s } }
audit: { s3: { endpoint: 'http://HOST', bucket: b, access_key: a, secret_key: s } }
traces: { endpoint: 'http://HOST:4318' }
";

/// Where plain text is refused.
fn refused(host: &str, listen: &str, more: &str) -> BTreeSet<String> {
    let text = PLAIN.replace("HOST", host).replace("LISTEN", listen) + more;
    let (_, problems) = read(&text, &[]);
    let plain = problems.into_iter().filter(|problem| problem.rule.contains("plain text beyond loopback"));
    plain.map(|problem| problem.path).collect()
}

#[test]
fn plain_text_beyond_loopback_is_a_problem_at_each_hop_unless_the_network_is_said_to_be_trusted() {
    let hops = [
        "alerts.smtp.tls",
        "alerts.sms.url",
        "audit.s3.endpoint",
        "auth.jwks.url",
        "broker.management_url",
        "broker.url",
        "console.listen",
        "exports.s3.endpoint",
        "hospitals.H001.auth.token_url",
        "hospitals.H001.url",
        "hospitals.H002.url",
        "intake.listen",
        "postgres.url",
        "studies.ONC-301.risk.url",
        "traces.endpoint",
    ];
    assert_eq!(refused("elsewhere.example", "0.0.0.0", ""), BTreeSet::from(hops.map(str::to_owned)));
    assert_eq!(refused("localhost", "127.0.0.1", ""), BTreeSet::new());
    assert_eq!(refused("elsewhere.example", "0.0.0.0", "insecure: true\n"), BTreeSet::new());
}
