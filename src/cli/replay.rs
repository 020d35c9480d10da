//! `qtrail replay`.

use super::Exit;
use super::args::ReplayArgs;
use crate::config::Config;

/// Sends dead letters again. `quiet`: no progress bars.
pub async fn run(_args: ReplayArgs, _config: Config, _quiet: bool) -> anyhow::Result<Exit> {
    unimplemented!()
}
