//! `qtrail convert`.

use super::Exit;
use super::args::ConvertArgs;
use crate::config::Config;

/// Converts what is named, then tells a summary. `quiet`: no progress bars.
pub async fn run(_args: ConvertArgs, _config: Config, _quiet: bool) -> anyhow::Result<Exit> {
    unimplemented!()
}
