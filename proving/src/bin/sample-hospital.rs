//! Runs a sample hospital until it is ended.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use epro_proving::SampleHospital;
use epro_proving::foreign::Manner;
use epro_proving::sample_hospital::Plan;

#[derive(Parser)]
#[command(
    about = "A hospital that speaks FHIR and MLLP, behaves as its control door is told and logs every call"
)]
struct Arguments {
    /// Where FHIR is spoken; port 0 is a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    fhir: SocketAddr,
    /// Where MLLP is spoken
    #[arg(long, default_value = "127.0.0.1:0")]
    mllp: SocketAddr,
    /// GET /calls, GET /stored, GET and PUT /manner, PUT /access
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// How it behaves at first, as JSON: '{"status":503}'
    #[arg(long, default_value = "{}")]
    manner: String,
    /// For so many seconds; after them it behaves well
    #[arg(long)]
    seconds: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let manner: Manner = serde_json::from_str(&arguments.manner)?;
    let Arguments { fhir, mllp, control, seconds, .. } = arguments;
    let hospital = SampleHospital::start_as(Plan { fhir, mllp, control, ..Plan::default() }).await?;
    hospital.manner(manner);
    println!("{} {} {}", hospital.fhir_url(), hospital.mllp_url(), hospital.control());
    if let Some(seconds) = seconds {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        hospital.manner(Manner::default());
    }
    std::future::pending().await
}
