//! Checks the manifests under `k8s/`, without a cluster. Exits 1 when anything is wrong with them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use epro_proving::k8s;

#[derive(Parser)]
#[command(
    about = "Renders every overlay, holds it against the definitions of its kinds and against rules of ours"
)]
struct Arguments {
    /// The folder of the manifests
    #[arg(default_value = "k8s")]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let folder = Arguments::parse().folder;
    if let Some(missing) = k8s::render::missing().await {
        println!("SKIPPED: the manifests were not checked: {missing}");
        return Ok(ExitCode::SUCCESS);
    }
    let overlays = k8s::overlays(&folder)?;
    let problems = k8s::problems(&folder, &overlays).await?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("{} overlays ({}) are as they have to be", overlays.len(), overlays.join(", "));
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
