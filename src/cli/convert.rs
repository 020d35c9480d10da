//! `qtrail convert`: converts files once, without state.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat, fstat, stat};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args::{ConvertArgs, Format};
use super::files::{Listed, Outputs, Source, sources};
use super::progress::Progress;
use super::totals::Totals;
use super::{Exit, assemble, events, stop_on, summary};
use crate::config::Config;
use crate::dead_letter::Begin;
use crate::export::{self, Destination};
use crate::pipeline::{Content, Truncation, Unit};
use crate::runtime::shutdown::First;
use crate::sidecar::Sidecar;
use crate::telemetry::printable::quoted;
use qtrail_core::assemble::Tree;

/// Converts the files and prints a summary. `quiet`: no progress bars.
pub async fn run(
    args: ConvertArgs,
    mut config: Config,
    quiet: bool,
    signal: First,
) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let to_stdout = args.export.endpoint.is_none() && is_stdout(args.output());
    let is_chosen = args.output.is_some() || args.format.is_some();
    if to_stdout && !is_chosen && io::stdout().is_terminal() {
        super::eprint(&not_for_a_terminal(&args.paths));
        return Ok(Exit::Usage);
    }
    if args.manifest.manifest && args.format == Some(Format::Events) {
        super::eprint(
            "qtrail: --manifest adds OTLP log records, which --format events has not: remove one of them\n",
        );
        return Ok(Exit::Usage);
    }
    let listed = sources(&args.paths, outputs(&args, &config, to_stdout))?;
    anyhow::ensure!(
        args.dead_letters.as_deref() != Some(args.output()),
        "{} cannot hold both the events and the dead letters: choose another file",
        args.output().display()
    );
    // On a terminal, the bar would be among the events.
    let progress = Progress::over(
        &args.paths,
        quiet || to_stdout && io::stdout().is_terminal(),
    );
    let stop = CancellationToken::new();
    stop_on(signal, &stop, &config);
    config.dead_letters.begin = Begin::Anew;

    let (tree, listed): (_, Listed) = match args.assemble {
        true => {
            progress.at(0, "first reading".to_owned());
            let (tree, listed) = assemble::tree(&args.paths, listed, &config, &stop).await?;
            (Some(tree), listed)
        }
        false => (None, Box::new(listed)),
    };
    let done = if args.format == Some(Format::Events) {
        events::write(listed, tree, &args, to_stdout, &config, &progress, &stop).await
    } else {
        if args.export.endpoint.is_none() {
            config.export.destination = match to_stdout {
                true => Destination::Stdout,
                false => destination(args.output())?,
            };
        }
        deliver(listed, &args, &config, tree, &progress, &stop).await
    };
    progress.finish();
    let done = done?;
    let letters = args.dead_letters.as_deref();
    summary::print(args.summary, &done, start.elapsed(), letters);
    Ok(done.exit())
}

/// What a person at a terminal most likely wants instead of OTLP.
fn not_for_a_terminal(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| quoted(path));
    let paths = paths.collect::<Vec<_>>().join(" ");
    format!(
        "qtrail: convert writes OTLP requests as JSON lines, each with up to thousands of events: they are for a \
         program, and this is a terminal
  qtrail report {paths}                      what agents did, to read
  qtrail convert {paths} -o events.jsonl     the lines, in a file
  qtrail convert {paths} --format events     one flat JSON object for each event, here
  qtrail convert {paths} -o -                the lines, here
"
    )
}

/// Whether this is standard output, also under a name such as `/dev/stdout`: opening a pipe again would wait
/// for a reader.
fn is_stdout(output: &Path) -> bool {
    let is_ours = |there: Stat| {
        let is_file = FileType::from_raw_mode(there.st_mode).is_file();
        let same = |ours: Stat| (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino);
        !is_file && fstat(io::stdout()).is_ok_and(same)
    };
    output.as_os_str() == "-" || stat(output).is_ok_and(is_ours)
}

/// Where OTLP JSON lines are written. A file is overwritten, as with `>`.
fn destination(output: &Path) -> anyhow::Result<Destination> {
    Ok(match output.to_str() {
        Some("discard") => Destination::Discard,
        _ => {
            export::begin_anew(output)?;
            Destination::File(output.to_path_buf())
        }
    })
}

/// The files that are written, which must not be read.
fn outputs(args: &ConvertArgs, config: &Config, to_stdout: bool) -> Outputs {
    let mut outputs = Outputs::default();
    if args.dead_letters.is_some() {
        outputs.add_dead_letters(&config.dead_letters);
    }
    match args.export.endpoint {
        None if to_stdout => outputs.add_stdout(),
        None if args.output().as_os_str() != "discard" => {
            outputs.paths.push(args.output().to_path_buf())
        }
        _ => {}
    }
    outputs
}

async fn deliver(
    listed: Listed,
    args: &ConvertArgs,
    config: &Config,
    tree: Option<Arc<Tree>>,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Totals> {
    let mut config = config.clone();
    let in_order = matches!(
        config.export.destination,
        Destination::Stdout | Destination::File(_)
    );
    if in_order {
        config.export.concurrency = 1;
    }
    let workers = match in_order {
        true => 1,
        false => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut sidecar = Sidecar::start(&config, Arc::default(), args.dead_letters.is_some())?;
    if let Some(tree) = &tree {
        sidecar.pipeline = sidecar.pipeline.clone().with_tree(Arc::clone(tree));
    }
    let mut done = Totals::default();
    let work = async {
        each(listed, workers, &sidecar, progress, stop, &mut done).await;
        if let Some(tree) = tree.filter(|_| !stop.is_cancelled()) {
            done.failed |= !assemble::deliver(&tree, &sidecar.exporter, &config).await;
        }
    };
    let drained = sidecar.drain(work, stop, config.shutdown).await;
    let unfinished = drained.output.is_none().then_some(&*sidecar.metrics);
    progress.finish();
    done.end(drained.end, stop, unfinished)?;
    Ok(done)
}

/// Delivers each source, `workers` at a time.
async fn each(
    listed: Listed,
    workers: usize,
    sidecar: &Sidecar,
    progress: &Progress,
    stop: &CancellationToken,
    done: &mut Totals,
) {
    let mut tasks = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut listed = listed.fuse();
    loop {
        while tasks.len() < workers && !stop.is_cancelled() {
            match listed
                .next()
                .map(|source| source.and_then(|s| open(s, progress, stop)))
            {
                None => break,
                Some(Err(e)) => {
                    tracing::error!("{e:#}");
                    done.failed = true;
                }
                Some(Ok(unit)) => {
                    let pipeline = sidecar.pipeline.clone();
                    let name = unit.origin.name.clone();
                    tasks.spawn(async move { (name, pipeline.deliver(unit).await) });
                }
            }
        }
        tokio::select! {
            joined = tasks.join_next() => match joined {
                None => return,
                Some(Ok((name, report))) => done.add(&name, &report, stop),
                Some(Err(e)) => {
                    tracing::error!("a worker failed: {e}");
                    done.failed = true;
                }
            },
            _ = tick.tick() => progress.events(&sidecar.metrics),
        }
    }
}

fn open(source: Source, progress: &Progress, stop: &CancellationToken) -> anyhow::Result<Unit> {
    let (origin, content, again) = source.open(stop, |content| progress.wrap(content))?;
    Ok(Unit {
        origin,
        content: Content::Twice(content, again),
        base: 0,
        truncation: Truncation::Reject,
        inflated_bytes: None,
    })
}
