//! A door and a worker themselves in front of a broker and a database that can't be believed.

use epro_proving::certificates::Authority;
use epro_proving::stack::Plan;
use epro_proving::tls_route::TlsRoute;
use epro_proving::{Service, Stack, until};
use tokio_rustls::TlsAcceptor;

use super::lent;
use crate::support::BOUND;

const PASSWORD: &str = "pl4nted-passw0rd";

/// What a log has to say of a certificate: the broker's, in the words of the TLS library, and the database's.
struct Fault {
    what: &'static str,
    broker: &'static str,
    postgres: &'static str,
}

const FAULTS: [Fault; 3] = [
    Fault {
        what: "wrong name",
        broker: "invalid peer certificate: certificate not valid for name",
        postgres: "the database is away: its certificate is for another name",
    },
    Fault {
        what: "expired",
        broker: "invalid peer certificate: certificate expired",
        postgres: "the database is away: its certificate has expired",
    },
    Fault {
        what: "unknown authority",
        broker: "invalid peer certificate: UnknownIssuer",
        postgres: "the database is away: its certificate is of an unknown authority",
    },
];

/// The services' addresses with a password that is nowhere else.
fn with_password(mut environment: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    for (name, value) in &mut environment {
        if name.ends_with("__URL") {
            let (scheme, rest) = value.split_once("://").unwrap();
            let (_, place) = rest.rsplit_once('@').unwrap();
            *value = format!("{scheme}://epro:{PASSWORD}@{place}");
        }
    }
    environment
}

/// Waits until its log has named both faults; it has never been ready until then, and goes on trying.
async fn names_both(mut process: Service, fault: &Fault) {
    let named = || {
        let said = process.output();
        let both = said.contains(fault.broker) && said.contains(fault.postgres);
        async move { Ok(both.then_some(())) }
    };
    let waited = until("both faults in the log", BOUND, named).await;
    let said = process.output();
    assert!(waited.is_ok(), "{}: {said}", fault.what);
    let (status, parts) = process.readyz().await.unwrap();
    assert_eq!(status, 503, "{}: {parts}", fault.what);
    assert!(process.runs(), "{}: {said}", fault.what);
    for text in [said, parts] {
        assert!(!text.contains(PASSWORD), "{}: {text}", fault.what);
    }
}

#[tokio::test]
async fn a_door_and_a_worker_name_what_is_wrong_with_a_certificate_and_are_never_ready_behind_it() {
    let stack = Stack::with(Plan { without_topology: true, without_migration: true, ..Plan::default() });
    let stack = stack.await.unwrap();
    let (ours, clients, other) =
        (Authority::new().unwrap(), Authority::new().unwrap(), Authority::new().unwrap());
    let shown = |fault: &Fault| -> TlsAcceptor {
        let server = match fault.what {
            "wrong name" => ours.server("elsewhere.example", None),
            "expired" => ours.expired_server("localhost"),
            _ => other.server("localhost", None),
        };
        server.unwrap()
    };
    let refused = async |fault: &Fault| {
        let told = TlsRoute::of(&stack, &ours, &clients, [shown(fault), shown(fault)]).await.unwrap();
        let environment = with_password(told.environment());
        let start = |binary| stack.spawn(binary, &lent(&environment)).unwrap();
        let (door, worker) = (start("epro-producer-api"), start("epro-worker"));
        tokio::join!(names_both(door, fault), names_both(worker, fault));
    };
    let [name, expired, unknown] = &FAULTS;
    tokio::join!(refused(name), refused(expired), refused(unknown));
}
