mod hospitals;
mod logins;
mod plain_text;

use std::collections::BTreeSet;
use std::io::Write as _;

use super::*;

const DOCUMENTED: &str = include_str!("../../../docs/config.yaml");

/// The least that a configuration has to say.
const LEAST: &str = "
broker: { url: 'amqp://guest:guest@127.0.0.1:5672/v' }
postgres: { url: 'postgres://root@127.0.0.1:5432/p' }
";

fn read(text: &str, environment: &[(&str, &str)]) -> (Config, Vec<Problem>) {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text(text, PathBuf::from("/etc/epro"), environment, Vec::new())
}

fn paths(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.path.as_str()).collect()
}

fn leaves(at: &str, value: &Value, into: &mut BTreeSet<String>) {
    if let Value::Object(entries) = value {
        for (key, value) in entries {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            into.insert(path.clone());
            leaves(&path, value, into);
        }
    }
}

#[test]
fn a_worker_opens_a_pool_and_what_some_lanes_have_for_themselves() {
    let of = |lanes: &str| read(LEAST, &[("EPRO__WORKER__LANES", lanes)]).0.worker_connections();
    assert_eq!(of("[submissions, dead, relay, commands, risk]"), 8);
    assert_eq!(of("[submissions, alerts, hospitals]"), 8 + 4 + 1);
    assert_eq!(of("[exports]"), 8 + 3 * 2 + 1);
}

#[test]
fn the_documented_file_holds_every_key_with_its_default() {
    let (documented, problems) = read(DOCUMENTED, &[]);
    assert_eq!(paths(&problems), ["broker.url", "postgres.url"], "only what has no default is missing");
    let (default, _) = read("", &[]);
    assert_eq!(documented.printable(), default.printable());

    let mut findings = Findings::default();
    Config::from_section(Section::new("", None, &mut findings));
    let mut in_the_file = BTreeSet::new();
    leaves("", &yaml::parse(DOCUMENTED).unwrap(), &mut in_the_file);
    assert_eq!(in_the_file, findings.known);
}

#[test]
fn the_least_configuration_is_accepted() {
    let (config, problems) = read(LEAST, &[]);
    assert_eq!(problems, []);
    assert_eq!(config.intake.outstanding, 160);
}

#[test]
fn every_problem_is_reported_at_once() {
    let (_, problems) = read(
        "
time_scale: 0
insecure: no
colour: red
log: { format: xml, level: [] }
broker: { url: 'amqp://guest:s3cret@rabbit.example:5672/v', frame_max: 1 }
postgres: { url: 'mysql://root:s3cret@127.0.0.1/p', pool_size: many, url_file: /nowhere }
keys: { seal: { current: k2, files: { k1: a } } }
studies: { 'ONC 301': { profile: none } }
sites: { H001: { hospital: 1 } }
auth:
  leeway: 1h
  keys: [ { kid: a, algorithm: none, file: f }, { algorithm: HS256, file: f }, 7, { kid: b, algorithm: HS256, file: f, use: sig }, { kid: b, algorithm: EdDSA, file: g } ]
intake: { listen: 'localhost:80', outstanding: 1, confirm_timeout: 2 }
worker: { lanes: [submissions, beds, submissions], chunk: 1200, linger: -1s }
",
        &[("EPRO__WORKER__PREFETCH", "lots"), ("EPRO__", "x"), ("EPRO__ADMIN__LISTEN__X", "1"), ("EPRO__COLOR", "red")],
    );
    assert_eq!(
        paths(&problems),
        [
            "EPRO__",
            "admin.listen",
            "auth.audience",
            "auth.issuer",
            "auth.keys[0].algorithm",
            "auth.keys[1].kid",
            "auth.keys[2]",
            "auth.keys[2].algorithm",
            "auth.keys[2].file",
            "auth.keys[2].kid",
            "auth.keys[3].use",
            "auth.keys[4].kid",
            "auth.leeway",
            "broker.frame_max",
            "broker.url",
            "color",
            "colour",
            "insecure",
            "intake.confirm_timeout",
            "intake.listen",
            "intake.outstanding",
            "keys.seal.current",
            "log.format",
            "log.level",
            "postgres.pool_size",
            "postgres.url",
            "sites.H001.hospital",
            "studies.ONC 301",
            "studies.ONC 301.profile",
            "time_scale",
            "worker.lanes",
            "worker.lanes",
            "worker.linger",
            "worker.prefetch",
            "worker.prefetch",
        ]
    );
    let told = problems.iter().map(ToString::to_string).collect::<String>();
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn each_listener_trusts_proxies_of_its_own_and_nobody_trusts_everybody() {
    let environment = [
        ("EPRO__INTAKE__TRUSTED_PROXIES", "['10.0.0.0/8', '192.0.2.7']"),
        ("EPRO__CONSOLE__TRUSTED_PROXIES", "['2001:db8::/48']"),
    ];
    let (config, problems) = read(LEAST, &environment);
    assert_eq!(problems, []);
    assert!(config.intake.trusted_proxies.include([10, 9, 9, 9].into()));
    assert!(!config.console.trusted_proxies.include([10, 9, 9, 9].into()));
    assert_eq!(
        config.shown()["intake"]["trusted_proxies"],
        serde_json::json!(["10.0.0.0/8", "192.0.2.7/32"])
    );
    let environment = [
        ("EPRO__INTAKE__TRUSTED_PROXIES", "['10.0.0.0/8', '0.0.0.0/0']"),
        ("EPRO__CONSOLE__TRUSTED_PROXIES", "10.0.0.0/8"),
    ];
    assert_eq!(paths(&read(LEAST, &environment).1), ["console.trusted_proxies", "intake.trusted_proxies"]);
}

#[test]
fn a_confirm_may_not_take_longer_than_a_client_is_promised() {
    for (text, problems) in [("2800ms", vec![]), ("2801ms", vec!["intake.confirm_timeout"])] {
        let (_, found) = read(LEAST, &[("EPRO__INTAKE__CONFIRM_TIMEOUT", text)]);
        assert_eq!(paths(&found), problems, "{text}");
    }
}

#[test]
fn the_environment_lies_over_the_file() {
    let environment = [
        ("EPRO__BROKER__URL", "amqp://a:b@localhost/x"),
        ("EPRO__WORKER__CHUNK", "100"),
        ("EPRO__WORKER__LANES", "[dead, relay]"),
        ("EPRO__STUDIES__onc-301__PROFILE", "safe_harbor"),
        ("EPRO__SITES__H002", "{}"),
        ("EPRO__TIME_SCALE", "0.5"),
        ("EPRO__INTAKE__DRAIN", "7s"),
        ("EPRO__KEYS__PSEUDONYM__ID", "7"),
        ("EPRO_TEST_DATABASE_URL", "not ours"),
    ];
    let (config, problems) = read(&format!("{LEAST}\nstudies: {{ ONC-301: {{}} }}\n"), &environment);
    assert_eq!(problems, []);
    assert_eq!(config.worker.chunk, 100);
    assert_eq!(config.worker.lanes, [Lane::Dead, Lane::Relay]);
    assert_eq!(config.studies["ONC-301"].profile, Profile::SafeHarbor);
    assert!(config.sites.contains_key("h002"), "a new name is written in lower case");
    assert_eq!(config.keys.pseudonym_id.as_deref(), Some("7"), "text stays text");
    assert_eq!(config.intake.drain, Duration::from_secs(7));
    assert_eq!(config.scaled(Duration::from_secs(10)), Duration::from_secs(5));
    assert!(config.printable().contains("amqp://[hidden]@localhost/x"));
}

#[test]
fn what_is_printed_hides_every_secret() {
    let text = "
broker: { url: 'amqp://us3r:s3cret@127.0.0.1:5672/v', management_url: 'http://us3r:s3cret@localhost:15672' }
postgres: { url: 'postgres://us3r:s3cret@127.0.0.1:5432/p?password=s3cret' }
";
    let (config, problems) = read(text, &[]);
    assert_eq!(problems, []);
    for shown in [config.printable(), format!("{config:?}")] {
        assert!(!shown.contains("s3cret") && !shown.contains("us3r"), "{shown}");
    }
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_break() {
    use secrecy::ExposeSecret as _;
    let folder = std::env::temp_dir().join(format!("epro-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::File::create(folder.join("broker")).unwrap();
    writeln!(file, "amqp://a:b@localhost/x").unwrap();
    let path = folder.join("config.yaml");
    std::fs::write(&path, "broker: { url_file: broker }\npostgres: { url: 'postgres://localhost/p' }\n")
        .unwrap();
    let config = Config::load(Some(&path), []).unwrap();
    assert_eq!(config.broker.url.expose_secret(), "amqp://a:b@localhost/x");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_not_there_or_no_yaml_is_one_problem_among_the_others() {
    let problems = Config::load(Some(Path::new("/nowhere/epro.yaml")), []).unwrap_err();
    assert_eq!(paths(&problems), ["--config", "broker.url", "postgres.url"]);
    let (_, problems) = read("a: [", &[]);
    assert_eq!(paths(&problems), ["--config", "broker.url", "postgres.url"]);
    let (_, problems) = read("[]", &[]);
    assert_eq!(paths(&problems), ["", "broker.url", "postgres.url"]);
}

/// A configuration with these `alerts`, and two sites.
fn with_alerts(alerts: &str) -> (Config, Vec<Problem>) {
    read(&format!("{LEAST}sites: {{ H001: {{}}, H002: {{}} }}\nalerts:\n{alerts}"), &[])
}

#[test]
fn every_problem_with_alerts_is_reported_at_once() {
    let (_, problems) = with_alerts(
        "
  link: 'ftp://epro.example/{alert}'
  escalation: 0s
  smtp: { host: mail.example, tls: none, user: relay, from: 'Lee <lee@h001.example>', timeout: 1 }
  sms: { url: 'http://gateway.example/m', body: '{\"to\": {to}}', headers: { 'X y': a }, idempotency_header: '' }
  recipients:
    H009: [ { name: lee, email: lee@h009.example } ]
    H001:
      - { name: lee, email: lee@h001@example, level: 2 }
      - { name: lee, phone: '0123456789', level: 1 }
      - { role: nurse, pager: 7 }
  operators: [ { name: a b, email: ann@epro.example, level: 1 } ]
  system: { dead_letters: 0, patience: soon }
",
    );
    assert_eq!(
        paths(&problems),
        [
            "alerts.escalation",
            "alerts.link",
            "alerts.operators[0].level",
            "alerts.operators[0].name",
            "alerts.recipients.H001[0].email",
            "alerts.recipients.H001[1].level",
            "alerts.recipients.H001[1].name",
            "alerts.recipients.H001[1].phone",
            "alerts.recipients.H001[2].email",
            "alerts.recipients.H001[2].name",
            "alerts.recipients.H001[2].pager",
            "alerts.recipients.H009",
            "alerts.sms.body",
            "alerts.sms.body",
            "alerts.sms.headers.X y",
            "alerts.sms.idempotency_header",
            "alerts.sms.url",
            "alerts.smtp.from",
            "alerts.smtp.password",
            "alerts.smtp.timeout",
            "alerts.smtp.tls",
            "alerts.system.dead_letters",
            "alerts.system.patience",
        ]
    );
}

#[test]
fn people_are_told_in_the_order_in_which_they_stand_and_two_of_a_level_together() {
    let (config, problems) = with_alerts(
        "
  smtp: { host: localhost, tls: none, from: relay@epro.example }
  recipients:
    H001:
      - { name: anna, email: anna@h001.example }
      - { name: beth, email: beth@h001.example }
      - { name: carl, email: carl@h001.example, level: 2 }
      - { name: dora, email: dora@h001.example }
  operators: [ { name: ann, email: ann@epro.example }, { name: bob, email: bob@epro.example } ]
",
    );
    assert_eq!(problems, []);
    let levels = |site: &str| config.alerts.people_of(site).iter().map(|p| p.level).collect::<Vec<_>>();
    assert_eq!(levels("H001"), [1, 2, 2, 3]);
    assert_eq!(levels("H002"), [1, 1], "operators, where nobody is configured");
    assert_eq!(config.alerts.smtp.map(|smtp| smtp.port), Some(25));
}

#[test]
fn somebody_whom_no_channel_reaches_is_a_problem() {
    let (_, problems) = with_alerts(
        "
  sms: { url: 'https://gateway.example/m', header_files: { Authorization: token } }
  recipients: { H001: [ { name: lee, email: lee@h001.example }, { name: cho, phone: '+15550102' } ] }
",
    );
    assert_eq!(paths(&problems), ["alerts.recipients.H001.lee"]);
}

#[test]
fn each_problem_of_a_risk_model_is_named_under_its_study() {
    let text = format!(
        "{LEAST}
studies:
  A: {{ risk: {{ url: 'https://model.example/score', token_file: t, alert_at: 0.8, breaker: {{ ratio: 0.25 }} }} }}
  B: {{ risk: {{ url: 'http://model.example/score', alert_at: 1.5, timeout: 2m, token: x, token_file: y }} }}
  C: {{ risk: {{ breaker: {{ sleeps: 3s }} }} }}
  D: {{ risk: }}
"
    );
    let (config, problems) = read(&text, &[]);
    assert_eq!(
        paths(&problems),
        [
            "studies.B.risk.alert_at",
            "studies.B.risk.timeout",
            "studies.B.risk.token",
            "studies.B.risk.url",
            "studies.C.risk.breaker.sleeps",
            "studies.C.risk.url",
        ]
    );
    let risk = config.studies["A"].risk.clone().unwrap();
    assert_eq!((risk.alert_at, risk.attempts, risk.breaker.ratio), (Some(0.8), 10, 0.25));
    assert!(config.studies["D"].risk.is_none());
    assert!(!config.printable().contains("token: x"));
}
