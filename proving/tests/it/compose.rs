//! `compose.yaml` without a container engine: it can be read, what it names is there, and the configuration that it
//! has made is one that our programs accept.

use std::path::Path;
use std::process::Command;

use epro_proving::service::binary;
use serde_json::Value;
use uuid::Uuid;

/// What `epro-worker` and the door drain within, and a margin.
const LEAVES_WITHIN: u64 = 30;

fn compose() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compose.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_configuration_that_compose_makes_passes_config_check() {
    let compose = compose();
    let folder = std::env::temp_dir().join(format!("epro-compose-{}", Uuid::now_v7().simple()));
    let here = folder.display().to_string();
    let arguments =
        texts(&compose["services"]["config"]["command"]).skip(1).map(|word| word.replace("/etc/epro", &here));
    let made = Command::new(binary("sample-config").unwrap()).args(arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let config = folder.join("config.yaml");
    let mut check = Command::new(binary("epro").unwrap());
    let checked = check.arg("--config").arg(config).args(["--json", "config", "check"]).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let config: Value = serde_json::from_slice(&checked.stdout).unwrap();
    // Each that is published listens where it can be reached, on the port that is published.
    for (service, listen) in [("api", &config["intake"]["listen"]), ("console", &config["console"]["listen"])]
    {
        let port = listen.as_str().unwrap().strip_prefix("0.0.0.0:").expect("beyond loopback");
        let published = texts(&compose["services"][service]["ports"]).next().unwrap();
        assert_eq!(published, format!("127.0.0.1:{port}:{port}"), "{service}");
    }
}

#[test]
fn what_compose_names_is_there() {
    let compose = compose();
    let services = names(&compose["services"]);
    for (name, service) in compose["services"].as_object().unwrap() {
        for other in service["depends_on"].as_object().into_iter().flat_map(|others| others.keys()) {
            assert!(services.contains(&other.as_str()), "{name} waits for {other}");
        }
        for volume in texts(&service["volumes"]).filter_map(|volume| volume.split(':').next()) {
            assert!(names(&compose["volumes"]).contains(&volume), "{name} mounts {volume}");
        }
        if let Some(network) = service["network_mode"].as_str().and_then(|mode| mode.strip_prefix("service:"))
        {
            assert!(services.contains(&network), "{name} is in the network of {network}");
        }
        if service["image"].as_str().unwrap().starts_with("localhost/epro-") {
            let program = texts(&service["command"]).next().expect("a program");
            let program = program.rsplit('/').next().unwrap();
            assert!(binary(program).is_ok(), "{name} runs {program}");
        }
    }
}

#[test]
fn the_image_has_every_program_that_compose_runs_and_a_user_that_is_not_root() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Dockerfile");
    let dockerfile = std::fs::read_to_string(path).unwrap();
    for (name, service) in compose()["services"].as_object().unwrap() {
        if service["image"].as_str().unwrap().starts_with("localhost/epro-") {
            let program = texts(&service["command"]).next().unwrap().rsplit('/').next().unwrap();
            let built = format!("target/release/{program}");
            assert!(dockerfile.split_whitespace().any(|word| word == built), "{name} runs {program}");
        }
    }
    for stage in dockerfile.split("\nFROM ").skip(2) {
        // As a number: runAsNonRoot can't tell of a name.
        assert!(stage.lines().any(|line| line == "USER 65532:65532"), "{stage}");
    }
}

#[test]
fn ours_run_read_only_without_capabilities_and_are_given_the_time_to_drain() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        let image = service["image"].as_str().unwrap();
        if image.starts_with("localhost/epro-") {
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(service["cap_drop"][0], "ALL", "{name}");
            assert_eq!(service["security_opt"][0], "no-new-privileges:true", "{name}");
        }
        if image.starts_with("localhost/epro-relay") {
            let grace = service["stop_grace_period"].as_str().unwrap().trim_end_matches('s');
            assert!(grace.parse::<u64>().unwrap() >= LEAVES_WITHIN, "{name}: {grace}");
        }
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} is open to the network: {port}");
        }
    }
}
