//! The hospitals of a configuration.

use super::*;

/// The hospitals that `docs/config.yaml` shows in its comment.
fn documented_hospitals() -> Value {
    let after = DOCUMENTED.split_once("\nhospitals: {}\n").unwrap().1;
    let lines = after.lines().map_while(|line| line.strip_prefix("  # "));
    yaml::parse(&lines.fold(String::new(), |text, line| text + line + "\n")).unwrap()
}

fn with_hospitals(hospitals: &Value) -> (Config, Vec<Problem>) {
    let sites = "sites: { H001: {}, H002: {}, H003: {} }";
    read(&format!("{LEAST}\n{sites}\nhospitals: {hospitals}\n"), &[])
}

#[test]
fn the_documented_hospitals_are_accepted_with_their_defaults() {
    let documented = documented_hospitals();
    let (config, problems) = with_hospitals(&documented);
    let known: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(known, Vec::<String>::new());
    assert_eq!(config.hospitals.len(), 3);
    let least = serde_json::json!({
        "H001": {"protocol": "fhir", "url": "https://his.example/fhir/R4"},
        "H003": {"protocol": "hl7v2", "url": "mllps://his.example:2575"},
    });
    let (least, problems) = with_hospitals(&least);
    assert_eq!(problems, []);
    for (site, key) in [
        ("H001", "calls_per_second"),
        ("H001", "concurrency"),
        ("H001", "query_share"),
        ("H001", "timeout"),
        ("H001", "breaker"),
        ("H001", "attempts"),
        ("H001", "age"),
        ("H003", "processing_id"),
        ("H003", "charset"),
    ] {
        let printed =
            |config: &Config| yaml::parse(&config.printable()).unwrap()["hospitals"][site][key].clone();
        assert_eq!(documented[site][key], printed(&least), "{site}.{key} is the default");
        assert_eq!(printed(&config), printed(&least));
    }
    let printed = yaml::parse(&least.printable()).unwrap();
    assert_eq!(printed["hospitals"]["H003"]["sending"]["application"], "EPRO-RELAY");
}

#[test]
fn every_key_of_a_hospital_is_documented() {
    let mut findings = Findings::default();
    let tree = serde_json::json!({"hospitals": documented_hospitals()});
    Config::from_section(Section::new("", Some(tree.clone()), &mut findings));
    let mut in_the_file = BTreeSet::new();
    leaves("", &tree, &mut in_the_file);
    let of_any = |paths: &BTreeSet<String>| -> BTreeSet<String> {
        let of_one = |path: &String| Some(path.strip_prefix("hospitals.")?.split_once('.')?.1.to_owned());
        // What is below auth.tls is as below tls.
        paths.iter().filter_map(of_one).filter(|path| !path.starts_with("auth.tls.")).collect()
    };
    assert_eq!(of_any(&in_the_file), of_any(&findings.known));
}

#[test]
fn a_hospital_in_plain_text_beyond_loopback_of_an_unknown_site_or_without_a_secret_is_a_problem() {
    let (_, problems) = with_hospitals(&serde_json::json!({
        "H001": {
            "protocol": "fhir", "url": "http://his.example/fhir", "timeout": "90s", "calls_per_second": 0,
            "auth": {"kind": "oauth2", "token_url": "http://id.example/token", "client_secret": "s3cret", "client_secret_file": "f"},
            "tls": {"certificate_file": "a.pem"}, "breaker": {"ratio": 1.5}, "charset": "8859/1",
        },
        "H002": {"protocol": "hl7v2", "url": "mllp://his.example:2575", "sending": {"application": "A|B"}},
        "H003": {"protocol": "hl7v2", "url": "mllps://his.example", "processing_id": "X"},
        "H009": {"protocol": "soap"},
        "H010": {},
    }));
    assert_eq!(
        paths(&problems),
        [
            "hospitals.H001.auth.client_id",
            "hospitals.H001.auth.client_secret",
            "hospitals.H001.auth.token_url",
            "hospitals.H001.breaker.ratio",
            "hospitals.H001.calls_per_second",
            "hospitals.H001.charset",
            "hospitals.H001.timeout",
            "hospitals.H001.tls",
            "hospitals.H001.tls.key_file",
            "hospitals.H001.url",
            "hospitals.H002.sending.application",
            "hospitals.H002.url",
            "hospitals.H003.processing_id",
            "hospitals.H003.url",
            "hospitals.H009",
            "hospitals.H009.protocol",
            "hospitals.H010",
            "hospitals.H010.protocol",
        ]
    );
    let insecure = "insecure: true\nsites: { H001: {} }\nhospitals: { H001: { protocol: hl7v2, url: 'mllp://his.example:2575' } }";
    assert_eq!(read(&format!("{LEAST}\n{insecure}\n"), &[]).1, []);
}

#[test]
fn no_secret_of_a_hospital_is_printed() {
    let (config, problems) = with_hospitals(&serde_json::json!({
        "H001": {
            "protocol": "fhir", "url": "https://his.example/fhir",
            "auth": {"kind": "oauth2", "token_url": "https://id.example/token", "client_id": "us3r", "client_secret": "s3cret"},
        },
        "H002": {"protocol": "fhir", "url": "https://his.example/fhir", "auth": {"kind": "basic", "user": "us3r", "password": "s3cret"}},
    }));
    assert_eq!(problems, []);
    for shown in [config.printable(), format!("{:?}", config.hospitals)] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    assert!(!config.printable().contains("us3r"));
}
