//! `epro doctor` names what is set up wrongly, what follows, and what to do.

use std::path::Path;
use std::time::Duration;

use epro_proving::certificates::Authority;
use epro_proving::inbox::Secured;
use epro_proving::services::{Services, host_port, login};
use epro_proving::stack::Plan;
use epro_proving::tls_front::Front;
use epro_proving::{Inbox, Stack, until};
use epro_schemas::audit::anchor::CHAIN;
use reqwest::Method;
use serde_json::{Value, json};

/// The finding with these words.
fn found(said: &str, words: &str) -> Value {
    let all: Value = serde_json::from_str(said).unwrap();
    let mut all = all.as_array().unwrap().iter();
    let one = all.find(|finding| finding["finding"].as_str().unwrap().contains(words));
    one.unwrap_or_else(|| panic!("{words:?} is not among {said}")).clone()
}

/// Writes the configuration anew.
fn change(stack: &Stack, change: impl FnOnce(&mut Value)) {
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(stack.config(), config.to_string()).unwrap();
}

/// What the doctor says, as JSON; it ends with this code.
async fn doctor(stack: &Stack, code: i32) -> String {
    let (ended, said, error) = stack.epro_status(&["doctor", "--json"]).await.unwrap();
    assert_eq!(ended, Some(code), "{said}{error}");
    said
}

#[tokio::test]
async fn what_the_services_lack_is_named_with_its_fix_and_is_gone_once_that_is_done() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    stack.vhost().remove_policy("epro-queues").await.unwrap();
    let connection = stack.vhost().connect().await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = "epro.alerts";
    channel.queue_unbind(queue.into(), "epro.return".into(), queue.into(), Default::default()).await.unwrap();
    let rows = "INSERT INTO ops.delivery (submission_id, pseudonym, site_id, state_at)
        VALUES (gen_random_uuid(), gen_random_uuid(), 'H001', now() - interval '1 hour');
        INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity, state_at)
        VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ONC-301', 'H001', 'item-9', 'critical',
            now() - interval '1 hour')";
    link.client.batch_execute(rows).await.unwrap();
    let found = [
        "queues without our delivery limit",
        "wait tiers lead nowhere for: epro.alerts",
        "1 rows have believed",
    ];

    let fixes = ["epro topology apply", "epro reconcile --queue epro.his.H001"];
    // The broker's statistics are a few seconds late.
    let said = until("the doctor to find all of it", Duration::from_secs(60), || async {
        let (code, said, _) = stack.epro_status(&["doctor", "--json"]).await?;
        let all = found.iter().chain(&fixes).all(|word| said.contains(word));
        Ok((code == Some(1) && all).then_some(said))
    });
    let said = said.await.unwrap();
    assert!(!said.contains("message is in epro.alerts"), "an alert outlives its message: {said}");
    stack.epro(&["topology", "apply"]).await.unwrap();
    stack.epro(&["reconcile", "--queue", "epro.his.H001", "--yes", "--reason", "it was lost"]).await.unwrap();
    until("the doctor to find it mended", Duration::from_secs(60), || async {
        let (_, said, _) = stack.epro_status(&["doctor", "--json"]).await?;
        Ok(found.iter().all(|finding| !said.contains(finding)).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_last_stop_without_a_limit_of_its_own_is_told_and_without_any_has_to_be_mended() {
    let stack = Stack::new().await.unwrap();
    let doctor = async |wanted: &str| {
        until(wanted, Duration::from_secs(60), || async {
            let (_, said, _) = stack.epro_status(&["doctor", "--json"]).await?;
            let findings: Vec<Value> = serde_json::from_str(&said)?;
            let of_it = findings.iter().find(|found| {
                found["finding"].as_str().is_some_and(|text| text.contains("the delivery limit of epro.dead"))
            });
            let said = match of_it {
                Some(found) if found["act"] == true => "to be mended",
                Some(_) => "told",
                None => "nothing",
            };
            Ok((said == wanted).then_some(()))
        })
        .await
        .unwrap();
    };
    doctor("nothing").await;
    let vhost = stack.vhost();
    vhost.delete_queue("epro.dead").await.unwrap();
    let older = json!({"durable": true, "arguments": {"x-queue-type": "quorum"}});
    let path = format!("/api/queues/{}/epro.dead", vhost.name());
    vhost.management().send(Method::PUT, &path, Some(older)).await.unwrap();
    stack.epro(&["topology", "apply"]).await.unwrap();
    doctor("told").await;
    vhost.remove_policy("epro-dead").await.unwrap();
    doctor("to be mended").await;
    stack.epro(&["topology", "apply"]).await.unwrap();
    doctor("told").await;
}

#[tokio::test]
async fn certificates_of_the_channels_that_end_soon_or_have_ended_are_named_and_so_are_files_and_disks() {
    let stack = Stack::new().await.unwrap();
    let authority = Authority::new().unwrap();
    let ca = authority.write(stack.folder()).unwrap();
    let soon = time::OffsetDateTime::now_utc() + time::Duration::hours(250);
    let pair = authority.server_files_until(stack.folder(), "127.0.0.1", soon).unwrap();
    let secured =
        |tls| Secured { tls, certificate: pair.certificate.clone(), key: pair.key.clone(), login: None };
    let (begins, speaks) =
        tokio::try_join!(Inbox::secured(secured("starttls")), Inbox::secured(secured("implicit"))).unwrap();
    let ended = authority.expired_server("127.0.0.1").unwrap();
    let begins_at = format!("127.0.0.1:{}", begins.port());
    let gateway = Front::to(&begins_at, ended).await.unwrap();
    let stranger = Authority::new().unwrap().server("127.0.0.1", None).unwrap();
    let stranger = Front::to(&begins_at, stranger).await.unwrap();
    let says = async |inbox: &Inbox, tls: &str| {
        let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
        config["worker"]["lanes"] = json!(["submissions", "alerts", "exports"]);
        config["alerts"]["smtp"] = inbox.config();
        config["alerts"]["smtp"]["tls"] = json!(tls);
        config["alerts"]["smtp"]["ca_file"] = json!(ca);
        config["alerts"]["sms"] = json!({"url": format!("https://127.0.0.1:{}/messages", gateway.port()), "ca_file": pair.certificate});
        let ports = [("H001", gateway.port()), ("H002", begins.port()), ("H003", stranger.port())];
        for (site, port) in ports {
            let url = format!("https://127.0.0.1:{port}/fhir");
            config["hospitals"][site] = json!({"protocol": "fhir", "url": url, "tls": {"ca_file": ca}});
        }
        std::fs::write(stack.config(), config.to_string()).unwrap();
        let (code, said, error) = stack.epro_status(&["doctor", "--json"]).await.unwrap();
        assert_eq!((code, error.as_str()), (Some(1), ""));
        said
    };
    for (inbox, tls) in [(&begins, "starttls"), (&speaks, "implicit")] {
        let said = says(inbox, tls).await;
        let server = format!("the certificate of the mail server 127.0.0.1:{} ends in 10 days", inbox.port());
        assert!(said.contains(&server), "{tls}: {said}");
        assert!(said.contains("of alerts.sms ends in 10 days"), "a file: {said}");
        assert!(said.contains("the certificate of the gateway for text messages has ended"), "{said}");
        let hospital = found(&said, "the certificate of the hospital of H001 has ended");
        assert_eq!(hospital["act"], true, "it stays so until somebody acts");
        found(&said, &format!("H002 ({begins_at}) can be reached from here, but doesn't speak TLS with us"));
        let stranger = format!("H003 (127.0.0.1:{}) can be reached from here, but its", stranger.port());
        found(&said, &format!("{stranger} certificate isn't believed"));
        assert!(said.contains("exports.folder") && said.contains("its disk isn't looked at"), "{said}");
        assert!(said.contains("how much disk its server has left can't be asked"), "{said}");
    }
    let said = says(&begins, "implicit").await;
    found(&said, &format!("the mail server {begins_at} can be reached from here, but doesn't speak TLS"));
    assert!(!said.contains("the certificate of the mail server"), "{said}");
}

#[tokio::test]
async fn authorities_of_the_doors_and_the_consoles_clients_and_of_the_storage_are_looked_at_too() {
    let stack = Stack::new().await.unwrap();
    let soon = time::OffsetDateTime::now_utc() + time::Duration::hours(250);
    let authority = Authority::new().unwrap();
    let pair = authority.server_files_until(stack.folder(), "127.0.0.1", soon).unwrap();
    let file = |name: &str, text: &str| {
        let file = stack.folder().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let (secret, none) = (file("storage-key", "planted"), file("none.pem", "no certificate"));
    let says = async |clients: &Path, storage: &Path| {
        let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
        for listener in ["intake", "console"] {
            config[listener]["tls"] = json!({
                "certificate_file": pair.certificate, "key_file": pair.key, "client_ca_file": clients,
            });
        }
        let s3 = json!({
            "bucket": "files", "endpoint": "https://127.0.0.1:1", "ca_file": storage,
            "access_key": "epro", "secret_key_file": secret,
        });
        config["exports"] = json!({ "s3": s3 });
        config["audit"] = json!({ "s3": s3 });
        std::fs::write(stack.config(), config.to_string()).unwrap();
        let (_, said, error) = stack.epro_status(&["doctor", "--json"]).await.unwrap();
        assert_eq!(error, "");
        said
    };
    let soon = says(pair.certificate.as_path(), pair.certificate.as_path()).await;
    for of in [
        "intake",
        "console",
        "intake.tls.client_ca_file",
        "console.tls.client_ca_file",
        "exports.s3",
        "audit.s3",
    ] {
        assert!(soon.contains(&format!("of {of} ends in 10 days")), "{of}: {soon}");
    }
    let none = says(none.as_path(), none.as_path()).await;
    for of in ["intake.tls.client_ca_file", "console.tls.client_ca_file", "exports.s3", "audit.s3"] {
        assert!(none.contains(&format!("of {of} can't be read as certificates")), "{of}: {none}");
    }
    let nowhere = stack.folder().join("nowhere.pem");
    let gone = says(nowhere.as_path(), nowhere.as_path()).await;
    for of in ["intake.tls.client_ca_file", "exports.s3"] {
        assert!(gone.contains(&format!("of {of} can't be read as certificates")), "{of}: {gone}");
    }
    let authority = authority.write(stack.folder()).unwrap();
    let well = says(authority.as_path(), authority.as_path()).await;
    assert!(!well.contains("client_ca_file") && !well.contains(".s3"), "{well}");
}

#[tokio::test]
async fn what_is_set_up_otherwise_than_we_need_is_named_with_whether_somebody_has_to_act() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    for queue in ["epro.commands", "epro.dead"] {
        stack.vhost().delete_queue(queue).await.unwrap();
    }
    // Somebody has declared it again as a classic queue, and has bound it to nothing.
    let path = format!("/api/queues/{}/epro.commands", stack.vhost().name());
    let classic = json!({"durable": true, "arguments": {}});
    stack.vhost().management().send(Method::PUT, &path, Some(classic)).await.unwrap();
    let unsent = "INSERT INTO ops.delivery (submission_id, pseudonym, site_id, state)
        VALUES (gen_random_uuid(), gen_random_uuid(), 'H001', 'unsent')";
    link.client.batch_execute(unsent).await.unwrap();
    change(&stack, |config| {
        config["worker"]["hold"] = json!("40m");
        config["worker"]["lanes"] = json!(["submissions", "dead", "relay", "commands", "alerts"]);
    });

    let said = doctor(&stack, 1).await;
    for (words, act) in [
        ("that aren't replicated: epro.commands", true),
        ("queues whose ack timeout is shorter than worker.hold: ", true),
        ("wait tiers lead nowhere for: epro.commands", true),
        ("queues that aren't bound: epro.commands", true),
        ("the queue epro.dead is missing", true),
        ("lane commands has no consumer, 0 messages wait", true),
        ("1 follow-ons are unsent", true),
        ("sites without anybody to tell: H001", true),
        ("no operators are configured", true),
        ("the hospital of H001 (127.0.0.1:9) can't be reached from here", false),
    ] {
        assert_eq!(found(&said, words)["act"], act, "{words}");
    }
    let fix = found(&said, "ack timeout")["fix"].as_str().unwrap().to_owned();
    assert!(fix.contains("can't be asked"), "{fix}");

    change(&stack, |config| {
        config["worker"]["lanes"] = json!(["submissions"]);
        config["broker"]["management_url"] = Value::Null;
    });
    let said = doctor(&stack, 1).await;
    assert_eq!(found(&said, "worker.lanes leaves out alerts")["act"], true);
    assert_eq!(found(&said, "broker.management_url is not set")["act"], false);
}

#[tokio::test]
async fn services_that_are_away_and_a_database_without_its_tables_are_named() {
    let stack = Stack::with(Plan { without_migration: true, ..Plan::default() }).await.unwrap();
    let said = doctor(&stack, 1).await;
    let lacks = found(&said, "migrations are missing");
    assert_eq!((&lacks["act"], &lacks["fix"]), (&json!(true), &json!("epro migrate")));

    change(&stack, |config| {
        config["broker"]["url"] = json!("amqp://nobody:nothing@127.0.0.1:1/v");
        config["broker"]["management_url"] = json!("http://nobody:nothing@127.0.0.1:1");
        config["postgres"]["url"] = json!("postgres://nobody:nothing@127.0.0.1:1/nowhere");
    });
    let said = doctor(&stack, 1).await;
    for words in ["PostgreSQL: ", "RabbitMQ: ", "the management API: "] {
        assert_eq!(found(&said, words)["act"], true, "{words}");
    }
    assert!(!said.contains("nobody:nothing"), "{said}");
}

#[tokio::test]
async fn users_that_may_do_too_much_are_named_to_an_administrator_and_others_hear_that_nobody_looked() {
    let stack = Stack::new().await.unwrap();
    let ours = r"^epro\..*$";
    let user = async |patterns| {
        let user = stack.vhost().login(patterns).await.unwrap();
        let (name, _) = login(user.url()).unwrap();
        (user, name)
    };
    let (_wide, wide) = user([".*", ours, ours]).await;
    let (_narrow, narrow) = user(["^$", ours, ours]).await;
    let said = doctor(&stack, 1).await;
    let finding = found(&said, &format!("the user {wide} of the broker may do more than a service needs"));
    assert!(finding["finding"].as_str().unwrap().ends_with(": declare and delete queues"), "{finding}");
    assert_eq!(finding["act"], false);
    assert!(!said.contains(&narrow), "{said}");

    let (_looker, looker) = user(["", "", ""]).await;
    let monitoring = json!({"password": looker, "tags": "monitoring"});
    let path = format!("/api/users/{looker}");
    stack.vhost().management().send(Method::PUT, &path, Some(monitoring)).await.unwrap();
    let at = host_port(&Services::from_env().unwrap().management).unwrap();
    change(&stack, |config| {
        config["broker"]["management_url"] = json!(format!("http://{looker}:{looker}@{at}"));
    });
    let said = doctor(&stack, 1).await;
    let finding = found(&said, "what users of the broker may do isn't looked at");
    assert!(finding["act"] == false && !said.contains("of the broker may do more than"), "{said}");
}

#[tokio::test]
async fn with_nothing_to_be_done_it_says_so_below_what_is_only_noted() {
    let (stack, inbox) = (Stack::new().await.unwrap(), Inbox::start().await.unwrap());
    // A worker of all that this doctor asks for, and somebody to tell.
    change(&stack, |config| {
        config["worker"]["lanes"] = json!(["dead", "relay", "commands", "alerts"]);
        config["hospitals"] = json!({});
        config["alerts"]["smtp"] = inbox.config();
        let person = json!({"name": "lee", "role": "investigator", "email": "lee@epro.example"});
        let sites: Vec<String> = config["sites"].as_object().unwrap().keys().cloned().collect();
        config["alerts"]["recipients"] = sites.into_iter().map(|site| (site, json!([person]))).collect();
        config["alerts"]["operators"] = json!([person]);
    });
    let _worker = stack.worker().await.unwrap();
    until("nothing to be wrong", Duration::from_secs(60), || async {
        let (code, said, _) = stack.epro_status(&["doctor"]).await?;
        Ok((code == Some(0) && said.contains("note") && said.contains("nothing is wrong")).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_trail_that_nobody_anchors_any_more_has_to_be_mended_and_one_that_never_was_is_only_told() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let never = found(&doctor(&stack, 1).await, "the audit trail was never anchored");
    assert_eq!(never["act"], false);
    let writer = format!("INSERT INTO audit.writer (writer, name) VALUES ('{CHAIN}', 'epro audit')");
    link.client.batch_execute(&writer).await.unwrap();
    let anchored = async |seq: i64, ago: &str| {
        let sql = format!(
            "INSERT INTO audit.event (writer, seq, at, action, outcome, actor, details, prev_hash, hash)
             VALUES ('{CHAIN}', {seq}, now() - interval '{ago}', 'audit.anchored', 'ok', 'system:epro',
                     '{{\"anchor\":{seq}}}', '', '')"
        );
        link.client.batch_execute(&sql).await.unwrap();
    };
    // The migration was written down later.
    anchored(1, "2 h").await;
    let stopped = found(&doctor(&stack, 1).await, "the audit trail was last anchored at 2");
    assert_eq!(stopped["act"], true);
    anchored(2, "0 s").await;
    let said = doctor(&stack, 1).await;
    assert!(!said.contains("anchored"), "{said}");
}
