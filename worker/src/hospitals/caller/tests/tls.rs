//! With certificates.

use epro_proving::certificates::Authority;
use epro_proving::sample_hospital::{Access, Client, Plan};
use epro_proving::tls_front::Front;
use tokio_rustls::TlsAcceptor;

use super::*;

struct Ground {
    folder: Folder,
    ours: Authority,
    hospital: SampleHospital,
}

/// A hospital whose certificate names `name`, and that lets in whom our authority vouches for.
async fn ground(name: &str) -> Ground {
    ground_with(|ours| ours.server(name, Some(ours))).await
}

/// A hospital that shows what our authority, or another, made for it.
async fn ground_with(tls: impl Fn(&Authority) -> anyhow::Result<TlsAcceptor>) -> Ground {
    let ours = Authority::new().unwrap();
    let tls = Some(tls(&ours).unwrap());
    let hospital = SampleHospital::start_as(Plan { tls, ..Plan::default() }).await.unwrap();
    Ground { folder: Folder::new(), ours, hospital }
}

impl Ground {
    /// What became of a call, by each protocol: that it was taken, or whose fault it is.
    async fn call(&self, believed: &Authority, vouched: Option<&Authority>) -> Vec<String> {
        let mut became = Vec::new();
        for mut entry in [self.hospital.by_fhir(), self.hospital.by_mllp()] {
            entry["tls"] = json!({"ca_file": believed.write(&self.folder.0).unwrap()});
            if let Some(authority) = vouched {
                let pair = authority.client(&self.folder.0).unwrap();
                entry["tls"]["certificate_file"] = json!(pair.certificate);
                entry["tls"]["key_file"] = json!(pair.key);
            }
            became.push(match caller(entry, PATIENT).call(&phq9().document()).await {
                Ok(_) => "taken".to_owned(),
                Err(CallError::Denied { note }) => note,
                Err(other) => format!("{other:?}"),
            });
        }
        became
    }
}

#[tokio::test]
async fn with_the_right_certificates_on_both_sides_a_document_is_taken() {
    let ground = ground("127.0.0.1").await;
    assert_eq!(ground.call(&ground.ours, Some(&ground.ours)).await, ["taken", "taken"]);
}

#[tokio::test]
async fn whom_we_do_not_believe_gets_nothing() {
    let (ground, other) = (ground("127.0.0.1").await, Authority::new().unwrap());
    let unknown = "their certificate is of an unknown authority";
    assert_eq!(ground.call(&other, Some(&ground.ours)).await, [unknown, unknown]);
    assert_eq!(ground.hospital.calls().len(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ground = ground("his.example").await;
    let other = "their certificate is for another name";
    assert_eq!(ground.call(&ground.ours, Some(&ground.ours)).await, [other, other]);
    assert_eq!(ground.hospital.calls().len(), 0);
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let ground = ground_with(|ours| ours.expired_server("127.0.0.1")).await;
    let expired = "their certificate has expired";
    assert_eq!(ground.call(&ground.ours, None).await, [expired, expired]);
    assert_eq!(ground.hospital.calls().len(), 0);
}

#[tokio::test]
async fn a_token_endpoint_with_a_wrong_name_an_expired_or_an_unknown_certificate_gets_no_secret() {
    let (folder, ours, theirs) = (Folder::new(), Authority::new().unwrap(), Authority::new().unwrap());
    let tls = Some(theirs.server("127.0.0.1", None).unwrap());
    let hospital = SampleHospital::start_as(Plan { tls, ..Plan::default() }).await.unwrap();
    // Another's service: whom we believe there `auth.tls` says, and not what stands beside the hospital's address.
    let issuer = SampleHospital::start().await.unwrap();
    let client = Client { id: "epro".to_owned(), secret: "s3cret".to_owned(), token_life: 3600 };
    issuer.access(Access { client: Some(client), ..Access::default() });
    let address = issuer.token_url().replace("http://", "").replace("/token", "");
    let (ca_file, their_ca_file) = (ours.write(&folder.0).unwrap(), theirs.write(&folder.0).unwrap());
    let tried = async |tls: TlsAcceptor| {
        let front = Front::to(&address, tls).await.unwrap();
        let mut entry = hospital.by_fhir();
        entry["tls"] = json!({"ca_file": &their_ca_file});
        entry["auth"] = json!({
            "kind": "oauth2", "token_url": format!("https://127.0.0.1:{}/token", front.port()),
            "client_id": "epro", "client_secret": "s3cret", "tls": {"ca_file": &ca_file},
        });
        caller(entry, PATIENT).call(&phq9().document()).await
    };
    let by_theirs = ("of an unknown authority", theirs.server("127.0.0.1", None).unwrap());
    for (what, tls) in ours.bad_servers("127.0.0.1").unwrap().into_iter().chain([by_theirs]) {
        let Err(CallError::Denied { note }) = tried(tls).await else { panic!("{what}") };
        assert!(note.starts_with("token endpoint: their certificate") && note.contains(what), "{note}");
    }
    assert_eq!((issuer.calls().len(), hospital.calls().len()), (0, 0));
    tried(ours.server("127.0.0.1", None).unwrap()).await.unwrap();
    assert_eq!((issuer.calls().len(), hospital.calls().len()), (1, 1));
}

#[tokio::test]
async fn without_a_certificate_that_the_hospital_believes_the_call_is_denied() {
    let (ground, other) = (ground("127.0.0.1").await, Authority::new().unwrap());
    let refused = "they refuse our certificate, or want one";
    assert_eq!(ground.call(&ground.ours, None).await, [refused, refused]);
    assert_eq!(ground.call(&ground.ours, Some(&other)).await, [refused, refused]);
}

#[tokio::test]
async fn every_file_that_can_not_be_used_is_a_problem_of_the_configuration() {
    let folder = Folder::new();
    let empty = folder.write("empty.pem", "");
    let entry = json!({
        "protocol": "fhir", "url": "https://127.0.0.1/fhir",
        "auth": {
            "kind": "oauth2", "token_url": "https://127.0.0.1/token", "client_id": "a",
            "client_secret_file": "/nowhere/secret", "tls": {"ca_file": &empty},
        },
        "tls": {"ca_file": "/nowhere/ca.pem", "certificate_file": &empty, "key_file": &empty},
    });
    let problems = try_caller(entry, PATIENT).err().unwrap();
    let mut paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "hospitals.H001.auth.client_secret_file",
            "hospitals.H001.auth.tls.ca_file",
            "hospitals.H001.tls.ca_file",
            "hospitals.H001.tls.certificate_file",
            "hospitals.H001.tls.key_file",
        ]
    );
}
