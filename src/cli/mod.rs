//! The command line: one file per subcommand.
//!
//! Enters: arguments and the environment. Leaves: an exit code. What must hold: an error is reported once, on
//! standard error, with its remedy; no message holds a secret.

pub mod args;
mod assemble;
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
pub mod lint_trail;
pub mod man;
mod progress;
pub mod pseudonym;
mod reading;
pub mod replay;
pub mod report;
pub mod run;
pub mod sample;
pub mod status;
mod stoppable;
mod summary;
pub mod top;
mod totals;
pub mod verify;
mod version;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio_util::sync::CancellationToken;

use self::args::{Cli, Command};
use crate::config::{self, Config, Environment, Loaded};
use crate::runtime::shutdown::{self, First};
use crate::runtime::terminal;
use crate::telemetry;

pub use self::exit::Exit;

/// The program: arguments → logging → command → exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failure(&anyhow::Error::new(error).context("cannot start the runtime"));
        }
    };
    let result = runtime.block_on(dispatch(cli, &Environment::of_process()));
    // A read of standard input cannot be cancelled, and must not keep the process.
    runtime.shutdown_background();
    terminal::clear();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => failure(&error),
    }
}

/// Prints help, the version, or an error in the arguments.
fn print_usage(usage: &clap::Error) -> ExitCode {
    // Standard error may be closed.
    let printed = usage.print().and_then(|()| std::io::stdout().flush());
    match written(printed) {
        Err(error) if !usage.use_stderr() => failure(&error),
        _ => ExitCode::from(usage.exit_code() as u8),
    }
}

async fn dispatch(cli: Cli, env: &Environment) -> anyhow::Result<Exit> {
    let globals = cli.globals;
    let load = |flags| config::load(globals.config.as_deref(), env, flags);
    let signal = match &cli.command {
        Command::Run(_)
        | Command::Convert(_)
        | Command::Backfill(_)
        | Command::Replay(_)
        | Command::Demo(_)
        | Command::Top(_) => shutdown::listen()?,
        // A signal ends the others at once.
        _ => First::never(),
    };
    match cli.command {
        Command::Run(args) => {
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
            let loaded = load(args.flags(&globals))?;
            let loaded = loaded.for_backfill(&args.source, args.dry_run)?.giving_up();
            let quiet = globals.quiet;
            let dead_letters_are_named = !loaded.is_default("dead_letters.path");
            observed(loaded, async |config| {
                backfill::run(args, config, dead_letters_are_named, quiet, signal).await
            })
            .await
        }
        Command::Status(args) => {
            let loaded = load(globals.flags())?.only_logging();
            observed(loaded, async |config| status::run(args, &config).await).await
        }
        Command::Top(args) => {
            let loaded = load(globals.flags())?.only_logging();
            observed(loaded, async |config| top::run(args, &config, signal).await).await
        }
        Command::Report(args) => {
            let loaded = load(args.flags(&globals))?.with_warnings_only();
            let quiet = globals.quiet;
            observed(loaded, async |config| {
                report::run(args, config, quiet).await
            })
            .await
        }
        Command::Verify(args) => {
            let loaded = load(args.flags(&globals))?.with_warnings_only().giving_up();
            let quiet = globals.quiet;
            observed(loaded, async |config| {
                verify::run(args, config, quiet).await
            })
            .await
        }
        Command::LintTrail(args) => {
            let loaded = load(args.flags(&globals))?.with_warnings_only();
            let quiet = globals.quiet;
            observed(loaded, async |config| {
                lint_trail::run(args, config, quiet).await
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
            // Its result is the same everywhere: it ignores the configuration file and the environment.
            let loaded = config::load(None, &Environment::default(), args.flags(&globals))?;
            observed(loaded.with_warnings_only(), async |config| {
                demo::run(args, config, signal).await
            })
            .await
        }
        Command::Sample(args) => sample::run(args, globals.quiet),
        Command::Pseudonym(args) => {
            let loaded = load(Default::default())?.with_warnings_only();
            observed(loaded, async |config| pseudonym::run(&args, &config)).await
        }
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Version(args) => version::run(&args),
    }
}

/// Logs the notes about the configuration, then prints it.
async fn print_config(loaded: Loaded) -> anyhow::Result<Exit> {
    let text = loaded.to_string();
    let loaded = loaded.for_print().only_logging();
    observed(loaded, async |_| print(&text)).await
}

/// Runs a command with qtrail's own telemetry, which is flushed at the end.
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

/// The reader of standard output has exited (`| head`): the command exits at once, without a message.
#[derive(Debug, thiserror::Error)]
#[error("the reader of standard output has exited")]
pub(crate) struct OutputClosed;

/// Writes to standard output.
///
/// # Errors
/// [`OutputClosed`]; standard output cannot be written.
pub(crate) fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// The result of writing to standard output.
fn written(result: std::io::Result<()>) -> anyhow::Result<Exit> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result
            .map(|()| Exit::Done)
            .context("cannot write to standard output"),
    }
}

/// A number with its noun: `1 file`, `2 files`.
fn count(n: u64, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        _ => format!("{n} {noun}s"),
    }
}

/// Writes to standard error. A failure does not change the exit code.
fn eprint(text: &str) {
    let _ = terminal::Stderr.write_all(text.as_bytes());
}

/// Stops a command that saves no progress at the first signal.
fn stop_on(signal: First, stop: &CancellationToken, config: &Config) {
    let seconds = config.shutdown.as_secs_f64();
    signal.stop(stop.clone(), move |signal| {
        tracing::warn!(
            signal,
            "stopping: delivering what has been read, for at most {seconds} s (shutdown.timeout); progress is not saved; a second signal exits at once"
        );
    })
}

/// Prints an error with its causes, and chooses the exit code.
fn failure(error: &anyhow::Error) -> ExitCode {
    if error.is::<OutputClosed>() {
        return Exit::Done.into();
    }
    eprint(&format!("qtrail: {error:#}\n"));
    match error.downcast_ref::<config::Error>() {
        Some(_) => Exit::Usage.into(),
        None => Exit::Failed.into(),
    }
}
