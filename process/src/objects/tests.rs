//! Which storages are believed.

use axum::Router;
use epro_proving::certificates::Authority;
use epro_proving::foreign::{Mannered, http_door};

use super::*;
use crate::config::Secret;

fn bucket_at(port: u16, ca_file: PathBuf) -> Result<Objects, Vec<Problem>> {
    let config = S3Config {
        bucket: "epro".to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: format!("https://localhost:{port}").parse().ok(),
        ca_file: Some(ca_file),
        plain: false,
        access_key: "test".to_owned(),
        secret_key: Secret::Given("testtest".into()),
    };
    Objects::new(&ObjectsPlace::S3(config), "exports")
}

/// What a storage that has nothing says to a question for an object.
async fn said(tls: tokio_rustls::TlsAcceptor, ca_file: PathBuf) -> ObjectsError {
    crate::tls::install();
    let free = ([127, 0, 0, 1], 0).into();
    let door = http_door::open(free, Some(tls), &Mannered::default(), Router::new()).await.unwrap();
    let objects = bucket_at(door.address().port(), ca_file).unwrap();
    objects.read_all("nothing").await.unwrap_err()
}

#[tokio::test]
async fn a_storage_with_a_wrong_name_an_expired_or_an_unknown_certificate_is_refused() {
    let folder = std::env::temp_dir().join(format!("epro-objects-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let ours = Authority::new().unwrap();
    let ca_file = ours.write(&folder).unwrap();
    let good = said(ours.server("localhost", None).unwrap(), ca_file.clone()).await;
    assert_eq!(good, ObjectsError::Absent, "it was asked, and answered");
    for (what, tls) in ours.bad_servers("localhost").unwrap() {
        let error = said(tls, ca_file.clone()).await;
        assert!(matches!(error, ObjectsError::Away(_)), "{what}: {error}");
    }
    let problems = bucket_at(1, folder.join("nowhere.pem")).err().unwrap();
    assert_eq!(
        problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
        ["exports.s3.ca_file"]
    );
    std::fs::remove_dir_all(folder).unwrap();
}
