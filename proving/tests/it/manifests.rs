//! The manifests keep every rule, and a manifest that breaks one is refused with words that name it.

use std::path::{Path, PathBuf};

use epro_proving::k8s::settings::{self, Setting};
use epro_proving::k8s::{self, Objects, Schemas, policy, render};
use serde_json::{Value, json};

const SUBMISSIONS: &str = "epro-worker-submissions";
const INTAKE: &str = "epro-api-intake";
const ANCHOR: &str = "epro-anchor";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s")
}

/// The larger overlay, where overlays can be rendered at all.
async fn example() -> Option<Objects> {
    if !render::here().await {
        return None;
    }
    Some(render(&folder().join("overlays/production-example")).await.unwrap())
}

fn readme() -> String {
    std::fs::read_to_string(folder().join("README.md")).unwrap()
}

/// The same with a value somewhere in one object; `null` takes it away. A ConfigMap's name ends in a hash.
fn changed(objects: &Objects, kind: &str, name: &str, pointer: &str, value: Value) -> Objects {
    let mut objects = objects.clone();
    let is_it = |object: &&mut Value| {
        object["kind"] == kind && object["metadata"]["name"].as_str().is_some_and(|is| is.starts_with(name))
    };
    let object = objects.0.iter_mut().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"));
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) if value.is_null() => drop(fields.remove(&key)),
        Some(Value::Object(fields)) => drop(fields.insert(key, value)),
        other => panic!("{kind} {name} has no {parent}: {other:?}"),
    }
    objects
}

fn refused(found: &[String], words: &str) {
    assert!(found.iter().any(|problem| problem.contains(words)), "nothing says {words:?}: {found:#?}");
}

#[tokio::test]
async fn every_overlay_keeps_every_rule() {
    if !render::here().await {
        return;
    }
    let overlays = k8s::overlays(&folder()).unwrap();
    assert!(overlays.len() >= 2, "{overlays:?}");
    let found = k8s::problems(&folder(), &overlays).await.unwrap();
    assert!(found.is_empty(), "{found:#?}");
}

/// Breaks one thing at a time: kind, name, where, what stands there then, and a word of the refusal.
async fn each_is_refused<'a>(breaches: impl IntoIterator<Item = (&'a str, &'a str, String, Value, &'a str)>) {
    let Some(objects) = example().await else { return };
    let (settings, none) = settings::of(&objects).await.unwrap();
    assert!(none.is_empty(), "{none:#?}");
    for (kind, name, pointer, value, words) in breaches {
        let broken = changed(&objects, kind, name, &pointer, value);
        refused(&policy::check(&broken, &settings, &readme()), words);
    }
}

fn pod(path: &str) -> String {
    format!("/spec/template/spec/{path}")
}

fn container(path: &str) -> String {
    format!("/spec/template/spec/containers/0/{path}")
}

#[tokio::test]
async fn a_pod_that_is_killed_before_it_has_left_is_refused() {
    let grace = || pod("terminationGracePeriodSeconds");
    each_is_refused([
        ("Deployment", SUBMISSIONS, grace(), json!(25), "killed after 25 s"),
        ("Deployment", INTAKE, grace(), json!(30), "killed after 30 s"),
        ("Deployment", "epro-console", grace(), json!(10), "killed after 10 s"),
        ("Deployment", INTAKE, container("lifecycle/preStop/sleep/seconds"), json!(20), "killed after 45 s"),
    ])
    .await;
}

#[tokio::test]
async fn a_fleet_that_can_shrink_to_none_or_outgrow_its_services_is_refused() {
    let trigger = |key: &str| format!("/spec/triggers/0/metadata/{key}");
    let of = |key: &str| format!("/spec/triggers/0/{key}");
    let spec = |path: &str| format!("/spec/{path}");
    let window =
        || spec("advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/stabilizationWindowSeconds");
    let most = || spec("postgresql/parameters/max_connections");
    let budget = json!({"minAvailable": 2, "selector": {"matchLabels": {"app.kubernetes.io/name": INTAKE}}});
    each_is_refused([
        ("PodDisruptionBudget", INTAKE, spec("maxUnavailable"), json!(2), "lets none go, or all of 2"),
        ("PodDisruptionBudget", INTAKE, spec("maxUnavailable"), json!(0), "lets none go, or all of 2"),
        ("PodDisruptionBudget", INTAKE, "/spec".into(), budget, "lets none go, or all of 2"),
        ("PodDisruptionBudget", INTAKE, spec("selector"), json!({}), "nothing bounds its disruption"),
        ("ScaledObject", SUBMISSIONS, trigger("queueName"), json!("epro.rutine"), "no queue of the topology"),
        ("ScaledObject", SUBMISSIONS, trigger("queueName"), json!("epro.exports"), "doesn't consume"),
        ("ScaledObject", SUBMISSIONS, trigger("queueName"), json!("epro.alerts"), "doesn't follow epro.sub"),
        ("ScaledObject", SUBMISSIONS, of("type"), json!("kafka"), "isn't followed by its depth"),
        ("ScaledObject", SUBMISSIONS, trigger("mode"), json!("MessageRate"), "isn't followed by its depth"),
        ("ScaledObject", SUBMISSIONS, trigger("vhostName"), Value::Null, "in which vhost"),
        ("ScaledObject", SUBMISSIONS, trigger("value"), json!("4607"), "less than 3 x prefetch (1536)"),
        ("ScaledObject", SUBMISSIONS, trigger("protocol"), json!("amqp"), "without what is unacked"),
        ("ScaledObject", SUBMISSIONS, trigger("excludeUnacknowledged"), json!("true"), "without what is"),
        ("ScaledObject", SUBMISSIONS, trigger("queueLength"), json!("20"), "means nothing to KEDA"),
        ("ScaledObject", SUBMISSIONS, spec("minReplicaCount"), json!(1), "fewer than two"),
        ("ScaledObject", SUBMISSIONS, spec("fallback/replicas"), json!(13), "fallback 13 isn't between"),
        ("ScaledObject", SUBMISSIONS, spec("fallback/behavior"), Value::Null, "may take pods away"),
        ("ScaledObject", SUBMISSIONS, spec("fallback/behavior"), json!("static"), "may take pods away"),
        ("ScaledObject", SUBMISSIONS, window(), json!(60), "less than five minutes of calm"),
        ("ScaledObject", SUBMISSIONS, spec("maxReplicaCount"), json!(30), "connections of PostgreSQL's 300"),
        ("Deployment", SUBMISSIONS, spec("replicas"), json!(2), "replicas of its own"),
        ("Cluster", "epro-db", most(), json!("200"), "connections of PostgreSQL's 200"),
        ("Cluster", "epro-db", most(), Value::Null, "nobody says how many connections"),
    ])
    .await;
}

#[tokio::test]
async fn a_pod_that_may_too_much_or_is_watched_wrongly_is_refused() {
    let may = |path: &str| container(&format!("securityContext/{path}"));
    each_is_refused([
        ("Deployment", INTAKE, container("readinessProbe/httpGet/path"), json!("/livez"), "ask the same"),
        ("Deployment", INTAKE, container("livenessProbe/httpGet/path"), json!("/readyz"), "ask /livez"),
        ("Deployment", INTAKE, container("startupProbe"), Value::Null, "start-up doesn't ask /livez"),
        ("Deployment", INTAKE, container("livenessProbe/httpGet/port"), json!("other"), "doesn't name"),
        ("Deployment", INTAKE, pod("securityContext/runAsNonRoot"), json!(false), "may run as root"),
        ("Deployment", INTAKE, pod("securityContext/runAsUser"), json!(0), "have no user"),
        ("Deployment", INTAKE, pod("securityContext/seccompProfile"), Value::Null, "no seccomp profile"),
        ("Deployment", INTAKE, pod("hostNetwork"), json!(true), "belongs to the node"),
        ("Deployment", INTAKE, pod("topologySpreadConstraints"), Value::Null, "on one node"),
        ("Deployment", INTAKE, pod("topologySpreadConstraints/1/labelSelector"), json!({}), "on one node"),
        ("Deployment", INTAKE, pod("automountServiceAccountToken"), json!(true), "account's token"),
        ("Deployment", INTAKE, may("readOnlyRootFilesystem"), json!(false), "can be written to"),
        ("Deployment", INTAKE, may("capabilities/add"), json!(["NET_RAW"]), "has capabilities"),
        ("Deployment", INTAKE, may("allowPrivilegeEscalation"), json!(true), "may gain privileges"),
        ("Deployment", INTAKE, container("resources/limits/memory"), json!("1Gi"), "isn't its request"),
        ("Deployment", INTAKE, container("resources/limits/memory"), json!("111Mi"), "hold 512 connections"),
        ("Deployment", INTAKE, container("resources/limits/memory"), json!("lots"), "hold 512 connections"),
        ("Deployment", INTAKE, container("resources/limits/cpu"), json!("1"), "CPU is limited"),
    ])
    .await;
}

#[tokio::test]
async fn the_auditors_pod_is_held_to_the_same_and_holds_no_key_but_the_one_that_signs() {
    let of = |path: &str| format!("/spec/jobTemplate/spec/template/spec/{path}");
    let may = |path: &str| of(&format!("containers/0/securityContext/{path}"));
    each_is_refused([
        ("CronJob", ANCHOR, of("securityContext/runAsNonRoot"), json!(false), "may run as root"),
        ("CronJob", ANCHOR, of("automountServiceAccountToken"), json!(true), "account's token"),
        ("CronJob", ANCHOR, may("readOnlyRootFilesystem"), json!(false), "can be written to"),
        ("CronJob", ANCHOR, of("serviceAccountName"), json!("epro"), "no ServiceAccount \"epro\""),
        (
            "NetworkPolicy",
            "epro-anchors",
            "/spec/podSelector".into(),
            selecting("epro-ancor"),
            "selects no pod",
        ),
    ])
    .await;
    let Some(objects) = example().await else { return };
    let mut held = Vec::new();
    for workload in objects.workloads() {
        let sources = k8s::objects::list(&k8s::objects::pod(workload)["volumes"])
            .flat_map(|volume| k8s::objects::list(&volume["projected"]["sources"]));
        let secrets = sources.filter_map(|source| source["secret"]["name"].as_str());
        held.extend(secrets.map(|secret| (workload["metadata"]["name"].as_str().unwrap(), secret)));
    }
    let signs: Vec<_> = held.iter().filter(|(_, secret)| *secret == "epro-audit-key").collect();
    assert_eq!(signs, [&(ANCHOR, "epro-audit-key")], "whoever writes the trail can't vouch for it");
    let mut its: Vec<_> = held.iter().filter(|(of, _)| *of == ANCHOR).map(|(_, secret)| *secret).collect();
    its.sort_unstable();
    assert_eq!(its, ["epro-anchors", "epro-audit-key", "epro-db-ca", "epro-postgres-auditor"]);
}

fn selecting(name: &str) -> Value {
    json!({"matchLabels": {"app.kubernetes.io/name": name}})
}

#[tokio::test]
async fn a_name_that_nothing_bears_and_an_open_namespace_are_refused() {
    let label = || "/metadata/labels/pod-security.kubernetes.io~1enforce".to_owned();
    let selector = json!({"app.kubernetes.io/name": "epro-api"});
    let names = [INTAKE, "epro-worker-export"];
    let expressions = json!([{"key": "app.kubernetes.io/name", "operator": "In", "values": names}]);
    each_is_refused([
        ("Deployment", INTAKE, pod("serviceAccountName"), json!("default"), "no ServiceAccount \"default\""),
        (
            "ServiceAccount",
            "epro-api",
            "/automountServiceAccountToken".into(),
            json!(true),
            "hands out a token",
        ),
        ("Service", INTAKE, "/spec/selector".into(), selector, "selects no pod"),
        (
            "NetworkPolicy",
            "epro-objects",
            "/spec/podSelector/matchExpressions".into(),
            expressions,
            "epro-objects selects no pod",
        ),
        (
            "HorizontalPodAutoscaler",
            INTAKE,
            "/spec/scaleTargetRef/name".into(),
            json!("epro-api"),
            "there is no Deployment \"epro-api\"",
        ),
        (
            "ScaledObject",
            SUBMISSIONS,
            "/spec/triggers/0/authenticationRef/name".into(),
            json!("epro-keda"),
            "there is no TriggerAuthentication \"epro-keda\"",
        ),
        (
            "TriggerAuthentication",
            "epro-broker-keda",
            "/spec/secretTargetRef/0/name".into(),
            json!("epro-broker-kedo"),
            "there is no Secret \"epro-broker-kedo\"",
        ),
        (
            "Ingress",
            "epro",
            "/spec/rules/0/http/paths/0/backend/service/name".into(),
            json!("epro-api-job"),
            "there is no Service \"epro-api-job\"",
        ),
        (
            "ServiceMonitor",
            "epro",
            "/spec/selector/matchLabels".into(),
            json!({"app.kubernetes.io/name": "epro-metric"}),
            "no Service of its labels",
        ),
        ("ServiceMonitor", "epro", "/spec/endpoints/0/port".into(), json!("http"), "with port \"http\""),
        ("NetworkPolicy", "epro-default-deny", "/spec/egress".into(), json!([{}]), "no NetworkPolicy denies"),
        ("Namespace", "epro", label(), json!("baseline"), "aren't restricted"),
    ])
    .await;
    let Some(objects) = example().await else { return };
    let unknown = readme().replace("`epro-keys`", "");
    refused(&policy::check(&objects, &[], &unknown), "there is no Secret \"epro-keys\"");
}

#[tokio::test]
async fn whoever_may_not_speak_to_whom_its_configuration_names_is_refused() {
    let Some(objects) = example().await else { return };
    let text = text_of_config(&objects);
    let more = "traces:\n  endpoint: https://otel.example:4318\n";
    let jwks = "\nauth:\n  jwks:\n    url: https://id.example/keys.json\n";
    let text = text.replace("\nauth:\n", jwks).replace(":2575", ":6661") + more;
    let told = changed(&objects, "ConfigMap", "epro-config", "/data/config.yaml", json!(text));
    let (settings, found) = settings::of(&told).await.unwrap();
    assert!(found.is_empty(), "{found:#?}");
    let found = policy::check(&told, &settings, &readme());
    refused(&found, "epro-api-intake: no policy opens port 4318, traces.endpoint");
    refused(&found, "epro-worker-outside: no policy opens port 6661, the hospital of H002");
    assert!(!found.iter().any(|problem| problem.contains("jwks")), "the issuer may be asked: {found:#?}");
    let closed = changed(&told, "NetworkPolicy", "epro-issuer", "/spec/egress", Value::Null);
    let found = policy::check(&closed, &settings, &readme());
    refused(&found, "epro-console: no policy opens port 443, auth.jwks.url");
}

#[tokio::test]
async fn the_dashboard_comes_with_the_label_that_grafana_looks_for() {
    let Some(objects) = example().await else { return };
    let dashboard = objects.named("ConfigMap", &json!("epro-dashboard")).expect("a ConfigMap");
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = dashboard["data"]["epro-relay.json"].as_str().unwrap();
    let read: Value = serde_json::from_str(text).unwrap();
    assert!(read["panels"].as_array().is_some_and(|panels| panels.len() > 10));
}

#[tokio::test]
async fn an_unknown_field_a_wrong_type_an_unknown_word_and_a_missing_field_are_refused() {
    let Some(objects) = example().await else { return };
    let schemas = Schemas::load().unwrap();
    let breaches = [
        ("Deployment", SUBMISSIONS, "/spec/replica", json!(3), "has no such field"),
        (
            "Deployment",
            SUBMISSIONS,
            "/spec/template/spec/containers/0/livenesProbe",
            json!({}),
            "no such field",
        ),
        ("Deployment", SUBMISSIONS, "/spec/minReadySeconds", json!("5"), "has to be integer"),
        ("Deployment", SUBMISSIONS, "/spec/selector", json!(null), "is required"),
        ("PodDisruptionBudget", INTAKE, "/spec/maxUnavailble", json!(1), "has no such field"),
        ("ScaledObject", SUBMISSIONS, "/spec/polingInterval", json!(15), "has no such field"),
        ("ScaledObject", SUBMISSIONS, "/spec/maxReplicaCount", json!("12"), "has to be integer"),
        ("ScaledObject", SUBMISSIONS, "/spec/fallback/behavior", json!("higher"), "has to be enum("),
        (
            "Deployment",
            SUBMISSIONS,
            "/spec/template/spec/topologySpreadConstraints/0/whenUnsatisfiable",
            json!("Anyway"),
            "has to be enum(DoNotSchedule,ScheduleAnyway)",
        ),
        ("Service", INTAKE, "/spec/ports/0/protocol", json!("HTTP"), "has to be enum(SCTP,TCP,UDP)"),
        (
            "CronJob",
            ANCHOR,
            "/spec/concurrencyPolicy",
            json!("Never"),
            "has to be enum(Allow,Forbid,Replace)",
        ),
        ("CronJob", ANCHOR, "/spec/jobTemplate/spec/templat", json!({}), "has no such field"),
        ("RabbitmqCluster", "epro-mq", "/spec/replica", json!(3), "has no such field"),
        ("Cluster", "epro-db", "/spec/instancs", json!(3), "has no such field"),
        ("ServiceMonitor", "epro", "/spec/endpoint", json!([]), "has no such field"),
        ("Ingress", "epro", "/kind", json!("Ingres"), "nobody wrote down what a"),
    ];
    for (kind, name, pointer, value, words) in breaches {
        let broken = changed(&objects, kind, name, pointer, value);
        let found: Vec<String> = broken.0.iter().flat_map(|object| schemas.check(object)).collect();
        refused(&found, words);
    }
}

#[tokio::test]
async fn a_config_map_that_our_programs_refuse_or_that_outgrows_its_scaler_is_refused() {
    let Some(objects) = example().await else { return };
    let text = text_of_config(&objects);
    let with = |text: String| changed(&objects, "ConfigMap", "epro-config", "/data/config.yaml", json!(text));

    let (_, found) = settings::of(&with(format!("{text}\nworkers: 3\n"))).await.unwrap();
    refused(&found, "Deployment epro-worker-submissions: config check: ");
    assert!(found.iter().any(|problem| problem.contains("workers")), "{found:#?}");

    let plain = with(text.replace("https://his.h001.example", "http://his.h001.example"));
    let (_, found) = settings::of(&plain).await.unwrap();
    refused(&found, "Deployment epro-worker-outside: config check: ");
    refused(&found, "is plain text beyond loopback");

    // No switch of its pod lets the console speak plain text.
    let bare = text
        .replace("    certificate_file: secrets/console.pem\n", "")
        .replace("    key_file: secrets/console.key\n", "");
    assert_ne!(bare, text);
    let (_, found) = settings::of(&with(bare)).await.unwrap();
    refused(&found, "Deployment epro-console: config check: ");
    refused(&found, "console.listen: is plain text beyond loopback");

    let outgrown = with(text.replace("prefetch: 1536", "prefetch: 1600"));
    let (settings, found): (Vec<Setting>, _) = settings::of(&outgrown).await.unwrap();
    assert!(found.is_empty(), "{found:#?}");
    refused(&policy::check(&outgrown, &settings, &readme()), "value 4608 is less than 3 x prefetch (1600)");

    let wide = with(text.replace("\nintake:\n", "\nintake:\n  connections: 683\n"));
    let (settings, found) = settings::of(&wide).await.unwrap();
    assert!(found.is_empty(), "{found:#?}");
    let found = policy::check(&wide, &settings, &readme());
    refused(&found, "epro-api-intake: its memory doesn't hold 683 connections: they may need 129 MiB");
    refused(&found, "epro-api-jobs: its memory doesn't hold 683 connections");

    let slow = with(text.replace("drain: 25s", "drain: 100s"));
    let (settings, _) = settings::of(&slow).await.unwrap();
    refused(&policy::check(&slow, &settings, &readme()), "it is killed after 90 s");
}

fn text_of_config(objects: &Objects) -> String {
    let is_it = |object: &&Value| {
        object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("epro-config"))
    };
    let map = objects.of("ConfigMap").find(is_it).expect("a ConfigMap");
    map["data"]["config.yaml"].as_str().expect("its file").to_owned()
}
