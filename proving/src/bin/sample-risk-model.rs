//! Runs a sample risk model until it is ended.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::net::SocketAddr;

use anyhow::Result;
use clap::Parser;
use epro_proving::RiskModel;

#[derive(Parser)]
#[command(about = "A model that answers every question with the score that its control door was told")]
struct Arguments {
    /// Where it is asked: POST /score; port 0 is a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// GET /calls, GET /asked, PUT /opinion, GET and PUT /manner
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { listen, control } = Arguments::parse();
    let model = RiskModel::start_at(listen, control).await?;
    println!("{} {}", model.url(), model.control());
    std::future::pending().await
}
