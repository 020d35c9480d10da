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
mod stoppable;
mod summary;
mod totals;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio_util::sync::CancellationToken;

use self::args::{Cli, Command};
use crate::config::{self, Config, Environment, Loaded};
use crate::runtime::shutdown::{self, First};
use crate::telemetry::{self, terminal};

pub use self::exit::Exit;

/// The program: arguments → logging → command → exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return answered(&answer),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&anyhow::Error::new(error).context("cannot start threads")),
    };
    let result = runtime.block_on(dispatch(cli, &Environment::of_process()));
    // A read of standard input cannot be cancelled, and must not keep the process.
    runtime.shutdown_background();
    terminal::clear();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => report(&error),
    }
}

/// Prints help, a version, or what is wrong with the arguments.
fn answered(answer: &clap::Error) -> ExitCode {
    // What is wrong goes to standard error, where nobody may be.
    let printed = answer.print().and_then(|()| std::io::stdout().flush());
    match written(printed) {
        Err(error) if !answer.use_stderr() => report(&error),
        _ => ExitCode::from(answer.exit_code() as u8),
    }
}

async fn dispatch(cli: Cli, env: &Environment) -> anyhow::Result<Exit> {
    let globals = cli.globals;
    let load = |flags| config::load(globals.config.as_deref(), env, flags);
    match cli.command {
        Command::Run(args) => {
            let signal = shutdown::listen()?;
            let loaded = load(args.flags(&globals))?;
            if args.print_config {
                return print_config(loaded).await;
            }
            let mut loaded = loaded.for_run()?;
            if args.once {
                loaded = loaded.giving_up();
            }
            observed(loaded, async |config| run::run(args, config, signal).await).await
        }
        Command::Convert(args) => {
            let signal = shutdown::listen()?;
            let mut loaded = load(args.flags(&globals))?.with_warnings_only().giving_up();
            if args.paths.iter().any(|path| files::is_read_once(path)) {
                loaded = loaded.keeping_all_dead_letters();
            }
            let quiet = globals.quiet;
            observed(loaded, async |config| {
                convert::run(args, config, quiet, signal).await
            })
            .await
        }
        Command::Backfill(args) => {
            let signal = shutdown::listen()?;
            let loaded = load(args.flags(&globals))?;
            let loaded = loaded.for_backfill(&args.source, args.dry_run)?.giving_up();
            let quiet = globals.quiet;
            let dead_letters_are_named = !loaded.is_default("dead_letters.path");
            observed(loaded, async |config| {
                backfill::run(args, config, dead_letters_are_named, quiet, signal).await
            })
            .await
        }
        Command::Explain(args) => {
            let loaded = load(args.flags(&globals))?.with_warnings_only();
            observed(loaded, async |config| explain::run(args, config).await).await
        }
        Command::Check(args) => {
            let loaded = load(args.flags(&globals))?.with_warnings_only();
            observed(loaded, async |config| check::run(args, config).await).await
        }
        Command::Replay(args) => {
            let signal = shutdown::listen()?;
            let mut loaded = load(args.flags(&globals))?.with_warnings_only().giving_up();
            if files::is_read_once(&args.file) {
                loaded = loaded.keeping_all_dead_letters();
            }
            let quiet = globals.quiet;
            observed(loaded, async |config| {
                replay::run(args, config, quiet, signal).await
            })
            .await
        }
        Command::Demo(args) => {
            let signal = shutdown::listen()?;
            // Its result is the same everywhere: neither a file nor the environment has a say.
            let loaded = config::load(None, &Environment::default(), args.flags(&globals))?;
            observed(loaded.with_warnings_only(), async |config| {
                demo::run(args, config, signal).await
            })
            .await
        }
        Command::Sample(args) => sample::run(args, globals.quiet),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Prints the configuration, after what is odd about it.
async fn print_config(loaded: Loaded) -> anyhow::Result<Exit> {
    let text = loaded.to_string();
    let mut loaded = loaded.for_print().with_warnings_only();
    // Nothing but the log: it is only looked at.
    loaded.config.telemetry.endpoint = None;
    observed(loaded, async |_| print(&text)).await
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

/// Nobody reads standard output any more (`| head`): the command ends at once, and says nothing.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(crate) struct OutputClosed;

/// Writes to standard output.
///
/// # Errors
/// [`OutputClosed`]; an output that cannot be written.
pub(crate) fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What became of writing to standard output.
fn written(result: std::io::Result<()>) -> anyhow::Result<Exit> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result
            .map(|()| Exit::Done)
            .context("cannot write to standard output"),
    }
}

/// Writes to standard error. Nobody may be there any more: that changes no exit code.
fn eprint(text: &str) {
    let _ = terminal::Stderr.write_all(text.as_bytes());
}

/// Stops a command that keeps nothing at the first signal, and says what that does.
fn stop_on(signal: First, stop: &CancellationToken, config: &Config) {
    let seconds = config.shutdown.as_secs_f64();
    signal.stop(stop.clone(), move |signal| {
        tracing::warn!(
            signal,
            "stopping: nothing more is read, and what was read is delivered, for at most {seconds} s (shutdown.timeout); a second signal ends at once. Nothing is kept of how far it came"
        );
    })
}

/// Tells an error with its causes, and chooses the exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<OutputClosed>() {
        return Exit::Done.into();
    }
    eprint(&format!("qtrail: {error:#}\n"));
    match error.downcast_ref::<config::Error>() {
        Some(_) => Exit::Usage.into(),
        None => Exit::Failed.into(),
    }
}
