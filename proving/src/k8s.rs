//! The manifests under `k8s/`, checked without a cluster: each overlay is rendered by `kubectl kustomize`, every
//! object held against the definitions of its kind (an unknown field is a problem), and all of them together
//! against rules of ours.

pub mod objects;
pub mod policy;
pub mod render;
pub mod schema;
pub mod settings;

use std::path::Path;

use anyhow::Result;

pub use objects::Objects;
pub use render::render;
pub use schema::Schemas;

/// Names of the overlays under `k8s`.
pub fn overlays(k8s: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(k8s.join("overlays"))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Everything that is wrong with these overlays under `k8s`, as `overlay: problem`.
pub async fn problems(k8s: &Path, overlays: &[String]) -> Result<Vec<String>> {
    let schemas = Schemas::load()?;
    let readme = std::fs::read_to_string(k8s.join("README.md")).unwrap_or_default();
    let mut problems = Vec::new();
    for overlay in overlays {
        let objects = render(&k8s.join("overlays").join(overlay)).await?;
        let mut found: Vec<String> = objects.0.iter().flat_map(|object| schemas.check(object)).collect();
        let (settings, refused) = settings::of(&objects).await?;
        found.extend(refused);
        found.extend(policy::check(&objects, &settings, &readme));
        problems.extend(found.into_iter().map(|problem| format!("{overlay}: {problem}")));
    }
    Ok(problems)
}
