//! `qtrail explain`.

use super::Exit;
use super::args::ExplainArgs;
use crate::config::Config;

/// Prints what a record becomes, and why.
pub fn run(_args: ExplainArgs, _config: Config) -> anyhow::Result<Exit> {
    unimplemented!()
}
