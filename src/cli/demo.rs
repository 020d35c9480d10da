//! `qtrail demo`.

use super::Exit;
use super::args::DemoArgs;
use crate::config::Config;

/// Runs the real pipeline on a small trail. `config` holds the defaults and the flags alone.
pub async fn run(_args: DemoArgs, _config: Config) -> anyhow::Result<Exit> {
    unimplemented!()
}
