//! Whomever a process has to speak to by its configuration the network's policies let it speak to.

use serde_json::Value;
use url::Url;

use crate::k8s::objects::{Objects, ends, list, matches, name};
use crate::k8s::settings::Setting;

pub(super) fn check(objects: &Objects, settings: &[Setting], problems: &mut Vec<String>) {
    for workload in objects.workloads().filter(|workload| !ends(workload)) {
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        let own = settings.iter().filter(|setting| setting.workload == workload["metadata"]["name"]);
        for (whom, port) in own.flat_map(spoken_to) {
            if !objects.of("NetworkPolicy").any(|policy| opens(policy, labels, port)) {
                problems.push(format!("{}: no policy opens port {port}, {whom}", name(workload)));
            }
        }
    }
}

/// Whom a process speaks to beside broker, database and object storage, and on which port.
fn spoken_to(setting: &Setting) -> Vec<(String, u16)> {
    let (config, lanes) = (&setting.config, setting.lanes());
    let mut urls = Vec::new();
    // Doors and the console verify tokens; workers get none.
    if setting.program != "epro-worker" {
        urls.push(("auth.jwks.url".to_owned(), &config["auth"]["jwks"]["url"]));
    }
    if setting.program != "epro" {
        urls.push(("traces.endpoint".to_owned(), &config["traces"]["endpoint"]));
    }
    if lanes.contains(&"hospitals") {
        let hospitals = config["hospitals"].as_object().into_iter().flatten();
        urls.extend(hospitals.map(|(site, hospital)| (format!("the hospital of {site}"), &hospital["url"])));
    }
    let port = |url: &Value| Url::parse(url.as_str()?).ok()?.port_or_known_default();
    urls.into_iter().filter_map(|(whom, url)| Some((whom, port(url)?))).collect()
}

fn opens(policy: &Value, labels: &Value, port: u16) -> bool {
    let open = |rule: &Value| {
        rule["ports"].is_null()
            || list(&rule["ports"]).any(|open| open["port"] == port && open["protocol"] != "UDP")
    };
    matches(&policy["spec"]["podSelector"], labels) && list(&policy["spec"]["egress"]).any(open)
}
