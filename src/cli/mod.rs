//! The command line: one file a subcommand.

pub mod check;
pub mod completions;
pub mod convert;
pub mod demo;
pub mod explain;
pub mod man;
pub mod replay;
pub mod run;
pub mod sample;
