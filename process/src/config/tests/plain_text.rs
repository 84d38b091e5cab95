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

#[test]
fn a_console_with_a_certificate_may_listen_beyond_loopback_and_is_reached_by_https_alone() {
    let found = |console: &str| {
        let (config, problems) = read(&format!("{LEAST}console: {{ {console} }}\n"), &[]);
        (config.console.tls, problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>())
    };
    let files = "tls: { certificate_file: c.pem, key_file: c.key }";
    let (tls, problems) = found(&format!("listen: '0.0.0.0:8090', origin: 'https://epro.example', {files}"));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(tls.unwrap().certificate_file, PathBuf::from("/etc/epro/c.pem"));
    assert_eq!(found(&format!("origin: 'http://epro.example', {files}")).1, ["console.origin"]);
    assert_eq!(found("tls: { certificate_file: c.pem }").1, ["console.tls.key_file"]);
}

#[test]
fn a_database_url_that_could_lead_elsewhere_than_its_host_says_or_to_another_mode_is_a_problem() {
    let problems = |url: &str| {
        let text = format!(
            "broker: {{ url: 'amqp://a:b@127.0.0.1/v' }}\npostgres: {{ url: '{url}' }}\ninsecure: true"
        );
        let secured = read(text.trim_end_matches("insecure: true"), &[]).1;
        assert_eq!(
            paths(&secured),
            paths(&read(&text, &[]).1),
            "{url}: whether or not the network is trusted"
        );
        secured.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    for url in [
        "postgres://u:p@localhost/d?host=db.example",
        "postgres://u:p@localhost/d?hostaddr=192.0.2.7",
        "postgres://u:p@localhost/d?%68ost=db.example",
        "postgres://u:p@db.example/d?sslmode=verify-full&sslmode=disable",
        "postgres://u:p@db.example/d?sslmode=verify-full&%73slmode=disable",
        "postgres://u:p@db.example/d?sslmode=disable&sslmode=verify-full",
        "postgres://localhost/d@db.example/d",
        "postgres://localhost/d?application_name=a@db.example/d",
        "postgres://u:p@db.example@localhost/d",
        "postgres://u:p@localhost/d#?host=db.example",
    ] {
        assert_eq!(problems(url), ["postgres.url"], "{url}");
    }
    let sound = "postgres://u:p%40ss@localhost:5432/d?application_name=a&sslmode=disable&connect_timeout=3";
    assert!(problems(sound).is_empty());
    assert!(problems("postgres://u@[::1]/d").is_empty());
    assert!(problems("postgres://u@a.example,b.example/d?sslmode=verify-full").is_empty());
}
