//! `epro config check` approves what the processes run with, and nothing that they refuse.

use std::path::PathBuf;
use std::process::Command;

use epro_proving::Stack;
use epro_proving::certificates::{Authority, Pair};
use epro_proving::service::binary;
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

#[tokio::test]
async fn every_file_of_tls_that_a_process_would_refuse_is_named_at_once() {
    let ground = Ground::new().await;
    let (ours, other) = (ground.client(), ground.client());
    let Ground { folder, nowhere, no_pem, no_certificate, .. } = &ground;
    let mut config = ground.config();
    config["colour"] = json!("red");
    config["broker"]["url"] = json!("amqps://u:s3cret@localhost/v");
    config["broker"]["tls"] = json!({"ca_file": nowhere, "certificate_file": no_pem, "key_file": folder});
    config["postgres"]["tls"] =
        json!({"ca_file": no_certificate, "certificate_file": ours.certificate, "key_file": other.key});
    config["intake"]["tls"] =
        json!({"certificate_file": no_certificate, "key_file": ours.key, "client_ca_file": no_pem});
    let lines = [
        "broker.tls.ca_file: can't be read",
        "broker.tls.certificate_file: holds no certificates as PEM",
        "broker.tls.key_file: can't be read",
        "colour: ",
        "intake.tls.certificate_file: holds a certificate that can't be used",
        "intake.tls.client_ca_file: holds no certificates as PEM",
        "postgres.tls.ca_file: holds a certificate that can't be an authority's",
        "postgres.tls.key_file: isn't the key of certificate_file",
    ];
    all_are_named(&ground.refused(&config).await, &lines);

    let mut door = Command::new(binary("epro-producer-api").unwrap());
    let door = door.arg("--config").arg(ground.stack.config()).output().unwrap();
    let said = String::from_utf8(door.stderr).unwrap();
    assert_eq!(door.status.code(), Some(64), "{said}");
    all_are_named(&said, &lines);
}

#[tokio::test]
async fn files_of_tls_are_read_whatever_is_wrong_with_an_address_and_for_the_management_api_alone() {
    let ground = Ground::new().await;
    let Ground { believed, nowhere, no_pem, .. } = &ground;
    let mut config = ground.config();
    config["broker"]["tls"] = json!({"ca_file": nowhere});
    config["intake"]["tls"] =
        json!({"certificate_file": nowhere, "key_file": no_pem, "client_ca_file": believed});
    let lines = [
        "broker.tls.ca_file: can't be read",
        "intake.tls.certificate_file: can't be read",
        "intake.tls.key_file: holds no private key as PEM",
    ];
    config["broker"]["url"] = json!("amqps://u:s3cret@localhost/v?heartbeat=often");
    let told = ground.refused(&config).await;
    all_are_named(&told, &lines);
    all_are_named(&told, &["broker.url: "]);
    config["broker"]["url"] = json!("amqp://u:s3cret@127.0.0.1/v");
    config["broker"]["management_url"] = json!("https://u:s3cret@localhost:15671");
    all_are_named(&ground.refused(&config).await, &lines);
}

#[tokio::test]
async fn files_of_the_consoles_certificate_are_refused_by_check_as_by_the_console() {
    let ground = Ground::new().await;
    let (ours, other) = (ground.client(), ground.client());
    let Ground { nowhere, no_pem, no_certificate, believed, .. } = &ground;
    let mut config = ground.config();
    config["postgres"]["tls"] = json!({"ca_file": believed});
    let refused = [
        (
            json!({"certificate_file": no_certificate, "key_file": ours.key, "client_ca_file": no_pem}),
            [
                "console.tls.certificate_file: holds a certificate that can't be used",
                "console.tls.client_ca_file: holds no certificates as PEM",
            ],
        ),
        (
            json!({"certificate_file": nowhere, "key_file": no_pem}),
            [
                "console.tls.certificate_file: can't be read",
                "console.tls.key_file: holds no private key as PEM",
            ],
        ),
        (
            json!({"certificate_file": ours.certificate, "key_file": other.key}),
            ["console.tls.key_file: isn't the key of certificate_file"; 2],
        ),
    ];
    for (tls, lines) in refused {
        config["console"]["tls"] = tls;
        all_are_named(&ground.refused(&config).await, &lines);
        let (code, _, error) = ground.stack.epro_status(&["console"]).await.unwrap();
        assert_eq!(code, Some(64), "{error}");
        all_are_named(&error, &lines);
    }
}

#[tokio::test]
async fn files_of_tls_that_the_processes_take_are_taken() {
    let ground = Ground::new().await;
    let (ours, believed) = (ground.client(), &ground.believed);
    let mut config = ground.config();
    config["broker"]["url"] = json!("amqps://u:s3cret@localhost/v");
    for section in ["broker", "postgres"] {
        config[section]["tls"] =
            json!({"ca_file": believed, "certificate_file": ours.certificate, "key_file": ours.key});
    }
    for section in ["intake", "console"] {
        config[section]["tls"] =
            json!({"certificate_file": ours.certificate, "key_file": ours.key, "client_ca_file": believed});
    }
    let (code, _, error) = ground.checked(&config).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

/// A stack of which only the configuration is used, and files for it.
struct Ground {
    stack: Stack,
    authority: Authority,
    folder: PathBuf,
    /// The authority's certificate.
    believed: PathBuf,
    nowhere: PathBuf,
    no_pem: PathBuf,
    /// PEM of something else than a certificate.
    no_certificate: PathBuf,
}

impl Ground {
    async fn new() -> Self {
        let (without_migration, without_topology) = (true, true);
        let plan = Plan { without_migration, without_topology, ..Plan::default() };
        let stack = Stack::with(plan).await.unwrap();
        let (authority, folder) = (Authority::new().unwrap(), stack.folder().to_owned());
        let (no_pem, no_certificate) = (folder.join("no-pem"), folder.join("no-certificate"));
        std::fs::write(&no_pem, "s3cret").unwrap();
        let pem = "-----BEGIN CERTIFICATE-----\nczNjcmV0\n-----END CERTIFICATE-----\n";
        std::fs::write(&no_certificate, pem).unwrap();
        let (believed, nowhere) = (authority.write(&folder).unwrap(), folder.join("nowhere"));
        Self { stack, authority, folder, believed, nowhere, no_pem, no_certificate }
    }

    fn client(&self) -> Pair {
        self.authority.client(&self.folder).unwrap()
    }

    /// The stack's, with a database that speaks TLS.
    fn config(&self) -> Value {
        let text = std::fs::read(self.stack.config()).unwrap();
        let mut config: Value = serde_json::from_slice(&text).unwrap();
        config["postgres"]["url"] = json!("postgres://u:s3cret@localhost/d?sslmode=verify-full");
        config
    }

    async fn checked(&self, config: &Value) -> (Option<i32>, String, String) {
        std::fs::write(self.stack.config(), config.to_string()).unwrap();
        self.stack.epro_status(&["config", "check"]).await.unwrap()
    }

    /// What is said of a configuration that is refused; nothing of what the files hold is in it.
    async fn refused(&self, config: &Value) -> String {
        let (code, out, error) = self.checked(config).await;
        assert_eq!((code, out.as_str()), (Some(64), ""), "{error}");
        assert!(!error.contains("s3cret") && !error.contains("czNj") && !error.contains("-----"), "{error}");
        error
    }
}

fn all_are_named(told: &str, lines: &[&str]) {
    for expected in lines {
        assert!(told.lines().any(|line| line.trim_start().starts_with(*expected)), "{expected}: {told}");
    }
}
