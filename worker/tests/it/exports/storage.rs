//! A storage that doesn't do what it should.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use epro_proving::service::{binary, free_address};
use epro_proving::{Stack, until};
use serde_json::json;
use tokio::process::{Child, Command};

use super::{Analyst, made, stack};
use crate::support::BOUND;

/// A worker that sees at `place` a disk of 8 MiB, all but half a MiB of it taken.
fn cramped(stack: &Stack, place: &Path) -> Child {
    let script =
        "mount -t tmpfs -o size=8m none \"$0\" && head -c 7864320 /dev/zero >\"$0/ballast\" && exec \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare.args(["-rm", "sh", "-c", script]).arg(place).arg(binary("epro-worker").unwrap());
    unshare.arg("--config").arg(stack.config()).env("EPRO__ADMIN__LISTEN", free_address().unwrap());
    unshare
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Whether a process may mount a disk of its own here; says so if not.
async fn may_mount() -> bool {
    let mut tried = Command::new("unshare");
    let tried =
        tried.args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null()).status().await;
    let may = tried.is_ok_and(|status| status.success());
    if !may {
        epro_proving::skipped("unshare -rm may not mount a disk here, so none is ever full");
    }
    may
}

/// What lies in a folder and its folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_leaves_nothing_half_and_once_there_is_room_the_export_is_made() {
    if !may_mount().await {
        return;
    }
    let stack = stack(json!({})).await;
    let folder = stack.folder().join("exports");
    std::fs::create_dir(&folder).unwrap();
    let _link = made(&stack, 5_000).await;
    let worker = cramped(&stack, &folder);
    let inside = PathBuf::from(format!("/proc/{}/root", worker.id().unwrap()));
    let inside = inside.join(folder.strip_prefix("/").unwrap());
    let ana = Analyst::of(&stack, "export").await;
    let status = ana.is(&ana.export(json!({})).await, "failed").await;
    assert_eq!(status["error"], "the object storage is full");
    assert_eq!(status["files"], json!([]));
    let ballast = inside.join("ballast");
    until("what was begun to be gone", BOUND, || async {
        Ok((files(&inside) == [ballast.clone()]).then_some(()))
    })
    .await
    .unwrap();
    std::fs::remove_file(&ballast).unwrap();
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    assert_eq!(
        (&status["rows"], files(&inside).len()),
        (&json!(5_000), status["files"].as_array().unwrap().len())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_can_not_be_read_now_are_a_503_and_never_half_of_one() {
    let stack = stack(json!({})).await;
    let _link = made(&stack, 10).await;
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    let (folder, away) = (stack.folder().join("exports"), stack.folder().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    let href = status["files"][1]["href"].as_str().unwrap();
    let reply = ana.client.get(href, &ana.token).await.unwrap();
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(reply.header("retry-after").is_some() && reply.body.contains("#unavailable"), "{}", reply.body);
    assert!(!reply.body.contains("response_id"), "{}", reply.body);
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(ana.lines(&status).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_can_not_be_used_is_tried_again_and_the_export_is_made_once_it_can() {
    let stack = stack(json!({})).await;
    let _link = made(&stack, 10).await;
    let folder = stack.folder().join("exports");
    std::fs::write(&folder, "not a folder").unwrap();
    let _worker = stack.worker().await.unwrap();
    let ana = Analyst::of(&stack, "export").await;
    let place = ana.export(json!({})).await;
    let status = ana.is(&place, "failed").await;
    let error = status["error"].as_str().unwrap();
    assert!(error.starts_with("the object storage can't be used"), "{error}");
    assert!(!error.contains("exports/"), "{error}");
    assert_eq!(status["files"], json!([]));
    std::fs::remove_file(&folder).unwrap();
    let status = ana.is(&ana.export(json!({})).await, "done").await;
    assert_eq!(ana.lines(&status).await.len(), 10);
}
