//! `qtrail run`.

use super::Exit;
use super::args::RunArgs;
use crate::config::Config;

/// Watches the directory until a signal comes, or with `--once` until all has settled.
pub async fn run(_args: RunArgs, _config: Config) -> anyhow::Result<Exit> {
    unimplemented!()
}
