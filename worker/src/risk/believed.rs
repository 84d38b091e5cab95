//! Which risk models are believed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use epro_process::config::{BreakerConfig, RiskConfig, Secret, TlsConfig};
use epro_proving::RiskModel;
use epro_proving::certificates::Authority;
use epro_proving::tls_front::Front;
use epro_store::risk::RiskScore;
use serde_json::json;
use uuid::Uuid;

use super::model::{Model, Trouble};

/// Long enough for an answer on a busy machine.
const PATIENT: Duration = Duration::from_secs(20);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("epro-risk-{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Asks a model on that port.
async fn asked(port: u16, ca_file: &Path) -> Result<RiskScore, Trouble> {
    epro_process::tls::install();
    let breaker = BreakerConfig {
        window: Duration::from_secs(5),
        buckets: 10,
        ratio: 0.5,
        minimum_calls: 5,
        sleep: Duration::from_secs(3),
    };
    let config = RiskConfig {
        url: format!("https://127.0.0.1:{port}/score").parse().unwrap(),
        tls: TlsConfig { ca_file: Some(ca_file.to_owned()), ..TlsConfig::default() },
        token: Some(Secret::Given("s3cret".into())),
        concurrency: 1,
        timeout: PATIENT,
        breaker,
        attempts: 1,
        alert_at: None,
    };
    let model =
        Model::new("ONC-301", &config, breaker.sleep).unwrap_or_else(|problems| panic!("{problems:?}"));
    model.ask(&json!({"instrument": "phq-9|1.0"})).await
}

#[tokio::test]
async fn a_model_with_a_wrong_name_an_expired_or_an_unknown_certificate_is_asked_nothing() {
    let (folder, ours, model) = (Folder::new(), Authority::new().unwrap(), RiskModel::start().await.unwrap());
    let ca_file = ours.write(&folder.0).unwrap();
    let address = model.url().replace("http://", "").replace("/score", "");
    for (what, tls) in ours.bad_servers("127.0.0.1").unwrap() {
        let front = Front::to(&address, tls).await.unwrap();
        let trouble = asked(front.port(), &ca_file).await.unwrap_err();
        assert!(matches!(&trouble, Trouble::Away { note } if note.contains(what)), "{what}: {trouble:?}");
    }
    assert_eq!(model.calls().len(), 0);
    let front = Front::to(&address, ours.server("127.0.0.1", None).unwrap()).await.unwrap();
    assert!(asked(front.port(), &ca_file).await.is_ok());
    assert_eq!(model.calls().len(), 1);
}
