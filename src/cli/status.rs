//! `qtrail status`: what a running qtrail does, once.
//!
//! Enters: the telemetry address. Leaves: what the live page shows, as text or JSON; the exit code tells whether it is
//! ready.

pub(super) mod client;
pub(super) mod text;

use std::io::{self, IsTerminal};

use super::Exit;
use super::args::{StatusArgs, StatusFormat};
use super::report::text::{COLUMNS, Paint};
use crate::config::Config;
use client::Client;

/// How many events are printed.
const EVENTS: usize = 10;

/// Asks once, and prints the answer.
///
/// # Errors
/// qtrail does not answer, or refuses to.
pub async fn run(args: StatusArgs, config: &Config) -> anyhow::Result<Exit> {
    let client = Client::new(&args.telemetry, config)?;
    let status = client.status().await?;
    let printed = match args.format {
        StatusFormat::Json => format!("{}\n", serde_json::to_string_pretty(&status)?),
        StatusFormat::Text => {
            let paint = Paint(io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
            text::of(&status, COLUMNS, paint, EVENTS)
        }
    };
    super::print(&printed)?;
    Ok(match status.ready {
        true => Exit::Done,
        false => Exit::Failed,
    })
}
