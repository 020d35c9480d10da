//! The command line: one file a subcommand.
//!
//! Enters: arguments and the environment. Leaves: an exit code. What must hold: what goes wrong is
//! told once, on standard error, with its remedy; secrets are in none of it.

pub mod args;
pub mod backfill;
mod canary;
pub mod check;
pub mod completions;
pub mod convert;
pub mod demo;
mod events;
mod exit;
pub mod explain;
mod files;
mod flags;
pub mod man;
mod progress;
pub mod replay;
pub mod run;
pub mod sample;
mod summary;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use self::args::{Cli, Command};
use crate::config::{self, Config, Environment, Loaded};
use crate::telemetry;

pub use self::exit::Exit;

/// The program: arguments → logging → command → exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&anyhow::Error::new(error).context("cannot start threads")),
    };
    let result = runtime.block_on(dispatch(cli, &Environment::of_process()));
    // A read of standard input cannot be cancelled, and must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => report(&error),
    }
}

async fn dispatch(cli: Cli, env: &Environment) -> anyhow::Result<Exit> {
    let globals = cli.globals;
    let load = |flags| config::load(globals.config.as_deref(), env, flags);
    match cli.command {
        Command::Run(args) => {
            let loaded = load(args.flags(&globals))?;
            if args.print_config {
                return print(&loaded.to_string());
            }
            observed(loaded.for_run()?, async |config| {
                run::run(args, config).await
            })
            .await
        }
        Command::Convert(args) => {
            let mut loaded = load(args.flags(&globals))?.quieter();
            if args.paths.iter().any(|path| files::is_read_once(path)) {
                loaded = loaded.keeping_all_letters();
            }
            let quiet = globals.quiet;
            observed(loaded, async |config| {
                convert::run(args, config, quiet).await
            })
            .await
        }
        Command::Backfill(args) => {
            let loaded = load(args.flags(&globals))?;
            let loaded = loaded.for_backfill(&args.source, args.dry_run)?;
            let quiet = globals.quiet;
            let dead_letters_are_named = !loaded.is_default("dead_letters.path");
            observed(loaded, async |config| {
                backfill::run(args, config, dead_letters_are_named, quiet).await
            })
            .await
        }
        Command::Explain(args) => {
            let loaded = load(args.flags(&globals))?.quieter();
            observed(loaded, async |config| explain::run(args, config)).await
        }
        Command::Check(args) => {
            let loaded = load(args.flags(&globals))?.quieter();
            observed(loaded, async |config| check::run(args, config).await).await
        }
        Command::Replay(args) => {
            let mut loaded = load(args.flags(&globals))?.quieter();
            if files::is_read_once(&args.file) {
                loaded = loaded.keeping_all_letters();
            }
            let quiet = globals.quiet;
            observed(loaded, async |config| {
                replay::run(args, config, quiet).await
            })
            .await
        }
        Command::Demo(args) => {
            // Its result is the same everywhere: neither a file nor the environment has a say.
            let loaded = config::load(None, &Environment::default(), args.flags(&globals))?;
            observed(loaded.quieter(), async |config| {
                demo::run(args, config).await
            })
            .await
        }
        Command::Sample(args) => sample::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Runs a command between the start and the flush of qtrail's own telemetry.
async fn observed(
    loaded: Loaded,
    command: impl AsyncFnOnce(Config) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let guard = telemetry::init(&loaded.config.telemetry)?;
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
    let result = command(loaded.config).await;
    guard.shutdown().await;
    result
}

/// Writes to standard output. A reader that has gone (`| head`) ends the command quietly.
pub(crate) fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => written
            .map(|()| Exit::Done)
            .context("cannot write to standard output"),
    }
}

/// Writes to standard error. Nobody may be there any more: that changes no exit code.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Tells an error with its causes, and chooses the exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    tell(&format!("qtrail: {error:#}\n"));
    match error.downcast_ref::<config::Error>() {
        Some(_) => Exit::Usage.into(),
        None => Exit::Failed.into(),
    }
}
