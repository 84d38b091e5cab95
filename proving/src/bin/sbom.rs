//! The bill of materials of this checkout, on stdout: `./dev sbom`.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use epro_proving::sbom;
use time::OffsetDateTime;

#[derive(Parser)]
#[command(about = "Prints what the binaries are built from, as CycloneDX JSON")]
struct Arguments {
    /// The checkout
    #[arg(default_value = ".")]
    folder: PathBuf,
}

fn main() -> Result<()> {
    let folder = Arguments::parse().folder;
    let told = Command::new("cargo").args(sbom::TREE).current_dir(&folder).output().context("cargo tree")?;
    ensure!(told.status.success(), "cargo tree: {}", String::from_utf8_lossy(&told.stderr));
    let lock = std::fs::read_to_string(folder.join("Cargo.lock")).context("Cargo.lock")?;
    let vendored = sbom::vendored::read(&folder)?;
    let bill = sbom::bill(&String::from_utf8(told.stdout)?, &lock, &vendored, OffsetDateTime::now_utc())?;
    println!("{}", serde_json::to_string_pretty(&bill)?);
    Ok(())
}
