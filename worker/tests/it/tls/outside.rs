//! Everybody beyond broker and database, over TLS: a hospital, a mail server, an issuer of tokens, a receiver of spans.

use epro_proving::certificates::Authority;
use epro_proving::inbox::{Inbox, Secured};
use epro_proving::sample_hospital::Plan;
use epro_proving::token::Minter;
use epro_proving::{Issuer, SampleHospital, Stack, TraceReceiver, until};
use serde_json::{Value, json};

use crate::support::{BOUND, SITE};

/// They end with this value.
pub(super) struct Outside {
    hospital: SampleHospital,
    inbox: Inbox,
    issuer: Issuer,
    receiver: TraceReceiver,
    minter: Minter,
}

impl Outside {
    /// Each shows a certificate of `authority`, and all but the mail server want one of `clients`. Processes of the
    /// stack that start from now on know them.
    pub(super) async fn of(stack: &Stack, authority: &Authority, clients: &Authority) -> Self {
        let tls = || authority.server("127.0.0.1", Some(clients)).unwrap();
        let hospital = Plan { tls: Some(tls()), ..Plan::default() };
        let hospital = SampleHospital::start_as(hospital).await.unwrap();
        let issuer = Issuer::secured(tls()).await.unwrap();
        let receiver = TraceReceiver::secured(tls()).await.unwrap();
        let (key, minter) = Issuer::key("over-tls").unwrap();
        issuer.show(Some(json!([key])));
        // Beside the door's own files, not in their place.
        let shown = stack.folder().join("mail");
        std::fs::create_dir(&shown).unwrap();
        let shown = authority.server_files(&shown, "127.0.0.1").unwrap();
        let secured =
            Secured { tls: "starttls", certificate: shown.certificate, key: shown.key, login: None };
        let inbox = Inbox::secured(secured).await.unwrap();
        let outside = Self { hospital, inbox, issuer, receiver, minter };
        outside.tell(stack, authority, clients);
        outside
    }

    fn tell(&self, stack: &Stack, authority: &Authority, clients: &Authority) {
        let believed = authority.write(stack.folder()).unwrap();
        let own = clients.client(stack.folder()).unwrap();
        let tls = json!({"ca_file": believed, "certificate_file": own.certificate, "key_file": own.key});
        let mut smtp = self.inbox.config();
        smtp["tls"] = json!("starttls");
        smtp["ca_file"] = json!(believed);

        let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
        config["time_scale"] = json!(0.02);
        config["worker"]["lanes"] =
            json!(["submissions", "dead", "relay", "commands", "alerts", "hospitals"]);
        config["hospitals"][SITE] = self.hospital.by_fhir();
        config["hospitals"][SITE]["tls"] = tls.clone();
        config["auth"]["jwks"] = json!({"url": self.issuer.url(), "tls": tls.clone()});
        config["traces"] = json!({"endpoint": self.receiver.endpoint(), "tls": tls});
        let people = json!([{"name": "dr-lee", "email": "lee@h001.example"}]);
        config["alerts"] = json!({"smtp": smtp, "recipients": {(SITE): people}});
        std::fs::write(stack.config(), config.to_string()).unwrap();
    }

    /// Mints tokens under the key that the issuer publishes.
    pub(super) fn minter(&self) -> &Minter {
        &self.minter
    }

    /// Waits until a dangerous submission has come to all of them.
    pub(super) async fn reached(&self) {
        let mails = self.inbox.holds(1).await.unwrap();
        assert!(mails[0].secured);
        let look = || async { Ok((!self.hospital.stored().is_empty()).then_some(())) };
        until("the document at the hospital", BOUND, look).await.unwrap();
        // The door's, and the worker's.
        for name in ["POST /api/v1/epro/submit", "call hospital fhir", "notify email"] {
            self.receiver.named(name, 1).await.unwrap();
        }
    }
}
