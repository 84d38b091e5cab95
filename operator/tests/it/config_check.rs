//! `epro config check` approves what the processes run with, and nothing that they refuse.

use epro_proving::Stack;
use epro_proving::stack::Plan;
use serde_json::{Value, json};

#[tokio::test]
async fn what_the_processes_run_with_is_printed_without_its_secrets() {
    let stack = Stack::new().await.unwrap();
    let (code, out, error) = stack.epro_status(&["config", "check"]).await.unwrap();
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.contains("outstanding: 160") && out.contains("ONC-301"), "{out}");
    let config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    for (section, key) in [("broker", "url"), ("broker", "management_url"), ("postgres", "url")] {
        let url = config[section][key].as_str().unwrap();
        let password = url.split_once("://").unwrap().1.split_once('@').unwrap().0.split_once(':').unwrap().1;
        assert!(!out.contains(password), "{section}.{key}");
    }
    let line = stack.epro(&["config", "check", "--json"]).await.unwrap();
    let shown: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(shown["intake"]["outstanding"], 160);
    stack.api().await.unwrap();
    stack.worker().await.unwrap();
}

#[tokio::test]
async fn everything_that_a_process_would_refuse_is_said_at_once_with_64() {
    let (without_migration, without_topology) = (true, true);
    let stack = Stack::with(Plan { without_migration, without_topology, ..Plan::default() }).await.unwrap();
    let instruments = stack.folder().join("instruments");
    std::fs::create_dir_all(&instruments).unwrap();
    std::fs::write(instruments.join("broken.yaml"), "id: [").unwrap();
    let short = stack.folder().join("short");
    std::fs::write(&short, "s3cret").unwrap();
    let two_lines = stack.folder().join("two-lines");
    std::fs::write(&two_lines, "s3cret\ns3cret").unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["colour"] = json!("red");
    // Each is a URL; the client of neither takes it.
    config["broker"]["url"] = json!("amqp://u:s3cret@127.0.0.1/v?heartbeat=often");
    config["postgres"]["url"] = json!("postgres://u:s3cret@127.0.0.1:5432");
    config["keys"]["seal"]["files"]["k1"] = json!(short);
    config["keys"]["pseudonym"]["file"] = json!(stack.folder().join("nowhere"));
    config["auth"]["keys"][0]["file"] = json!(short);
    config["instruments"] = json!({"directory": instruments});
    config["sites"] = json!({});
    config["alerts"] = json!({
        "smtp": {"host": "127.0.0.1", "from": "relay@epro.example", "ca_file": short,
            "user": "relay", "password_file": stack.folder().join("nowhere")},
        "sms": {"url": "http://127.0.0.1:1/messages", "ca_file": stack.folder().join("nowhere"),
            "header_files": {"Authorization": stack.folder().join("nowhere"), "X-Key": two_lines}},
    });
    std::fs::write(stack.config(), config.to_string()).unwrap();

    let (code, out, error) = stack.epro_status(&["config", "check"]).await.unwrap();
    assert_eq!((code, out.as_str()), (Some(64), ""), "{error}");
    for path in [
        "alerts.smtp.ca_file",
        "alerts.smtp.password_file",
        "alerts.sms.ca_file",
        "alerts.sms.header_files.Authorization",
        "alerts.sms.header_files.X-Key",
        "auth.keys[0].file",
        "broker.url",
        "colour",
        "instruments.directory",
        "keys.pseudonym.file",
        "keys.seal.files.k1",
        "postgres.url",
        "sites",
    ] {
        assert!(
            error.lines().any(|line| line.trim_start().starts_with(&format!("{path}: "))),
            "{path}: {error}"
        );
    }
    assert!(!error.contains("s3cret"), "{error}");
}
