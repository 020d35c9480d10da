//! `qtrail sample`.

use super::Exit;
use super::args::SampleArgs;

/// Writes a made-up trail.
pub fn run(_args: SampleArgs) -> anyhow::Result<Exit> {
    unimplemented!()
}
