//! `qtrail check`.

use super::Exit;
use super::args::CheckArgs;
use crate::config::Config;

/// Checks what a run needs.
pub async fn run(_args: CheckArgs, _config: Config) -> anyhow::Result<Exit> {
    unimplemented!()
}
