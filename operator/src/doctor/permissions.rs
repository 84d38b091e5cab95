//! What users of the broker may do beyond what a service needs.

use serde_json::Value;

use super::Finding;
use crate::management::Management;
use crate::outside::Outside;

/// What each user of our vhost may do there, which only an administrator is told.
pub(super) async fn look(outside: &Outside<'_>, management: &Management) -> anyhow::Result<Vec<Finding>> {
    let vhost = outside.vhost()?;
    let (Some(permissions), Some(users)) =
        (management.seen(&["vhosts", &vhost, "permissions"]).await?, management.seen(&["users"]).await?)
    else {
        return Ok(vec![Finding::note(
            "what users of the broker may do isn't looked at: that wants the tag administrator",
            "one that may do more than a service needs isn't found",
            "now and then run epro doctor with an administrator in broker.management_url",
        )]);
    };
    let ours = outside.broker_user()?;
    let mut findings = Vec::new();
    for permissions in permissions.as_array().into_iter().flatten() {
        let user = permissions["user"].as_str().unwrap_or_default();
        let tags = tags(&users, user);
        // `epro topology apply` runs as ours, or as whoever sets the policies.
        let sets_up = user == ours || tags.iter().any(|tag| tag == "policymaker");
        // Nobody else could have looked.
        let administers = user != management.user() && tags.iter().any(|tag| tag == "administrator");
        findings.extend(wide(user, permissions, sets_up, administers));
    }
    Ok(findings)
}

/// A list, or, by an older broker, a text with commas.
fn tags(users: &Value, user: &str) -> Vec<String> {
    let account = users.as_array().into_iter().flatten().find(|account| account["name"] == user);
    match account.map(|account| &account["tags"]) {
        Some(Value::String(tags)) => tags.split(',').map(|tag| tag.trim().to_owned()).collect(),
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn wide(user: &str, permissions: &Value, sets_up: bool, administers: bool) -> Option<Finding> {
    let pattern = |key: &str| permissions[key].as_str().unwrap_or_default();
    let everything = |key: &str| [".*", "^.*$"].contains(&pattern(key));
    let nothing = |key: &str| ["", "^$"].contains(&pattern(key));
    let mut wide = Vec::new();
    if everything("configure") || !sets_up && !nothing("configure") {
        wide.push("declare and delete queues");
    }
    if everything("write") || everything("read") {
        wide.push("use what isn't ours");
    }
    if administers {
        wide.push("administer the broker");
    }
    (!wide.is_empty()).then(|| {
        Finding::note(
            format!("the user {user} of the broker may do more than a service needs: {}", wide.join(", ")),
            "whoever gets hold of its password may do so, too",
            "docs/SECURITY.md has the patterns of each; only epro topology apply needs to configure ^epro\\.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_user_is_wide_by_its_patterns_or_its_tags() {
        let patterns =
            |configure: &str, write: &str| json!({"configure": configure, "write": write, "read": write});
        let ours = r"^epro\..*$";
        for (configure, write, sets_up, administers, words) in [
            ("^$", ours, false, false, None),
            ("", "", false, false, None),
            (ours, ours, true, false, None),
            (ours, ours, false, false, Some("declare and delete queues")),
            (".*", ours, true, false, Some("declare and delete queues")),
            ("^$", ".*", false, false, Some("use what isn't ours")),
            ("^$", ours, false, true, Some("administer the broker")),
        ] {
            let found = wide("mallory", &patterns(configure, write), sets_up, administers);
            let found = found.map(|finding| finding.finding);
            let expected = words.map(|words| {
                format!("the user mallory of the broker may do more than a service needs: {words}")
            });
            assert_eq!(found, expected, "{configure} {write}");
        }
        let users = json!([
            {"name": "a", "tags": "monitoring, policymaker"},
            {"name": "b", "tags": ["management"]},
        ]);
        assert_eq!(tags(&users, "a"), ["monitoring", "policymaker"]);
        assert_eq!(tags(&users, "b"), ["management"]);
        assert!(tags(&users, "c").is_empty());
    }
}
