//! What `qtrail run` takes while nothing happens, and how long a file that is renamed into its directory needs
//! to the collector.
//!
//!     cargo bench --bench latency -- 3000 60    # files that are done already, and idle seconds

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use qtrail_sample::{Amount, Spec};
use rustix::process::{Pid, Signal, kill_process};

use support::{Failed, collect_and_tell, process_seconds};

/// Files that are renamed in, one after the other.
const RENAMED: u64 = 200;
/// Time between two of them.
const PAUSE: Duration = Duration::from_millis(50);
/// Longer than this, nothing is on its way any more.
const QUIET: Duration = Duration::from_secs(10);

fn main() -> Result<(), Failed> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let (files, seconds) = (numbers.next().unwrap_or(3000), numbers.next().unwrap_or(60));
    let folder = tempfile::tempdir()?;
    let trail = folder.path().join("trail");
    write(&trail, files, 2.0, 1)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (collector, mut arrivals) = runtime.block_on(collect_and_tell())?;
    let mut qtrail = Command::new(env!("CARGO_BIN_EXE_qtrail"))
        .env_clear()
        .arg("run")
        .arg(&trail)
        .args(["--endpoint", &format!("http://{collector}")])
        .arg("--state")
        .arg(folder.path().join("state"))
        .env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let measured = (|| {
        wait_until_idle(&qtrail)?;
        let before = process_seconds(qtrail.id())?;
        sleep(Duration::from_secs(seconds));
        let used = process_seconds(qtrail.id())? - before;
        println!(
            "idle with {files} files: {used:.2} s of processor time in {seconds} s, {:.3} % of a core",
            100.0 * used / seconds as f64
        );
        while arrivals.try_recv().is_ok() {}
        let prepared = folder.path().join("prepared");
        write(&prepared, RENAMED, 100.0, 2)?;
        let mut times = Vec::new();
        for (number, file) in listed(&prepared)?.into_iter().enumerate() {
            let renamed = Instant::now();
            fs::rename(file, trail.join(format!("renamed-{number}.json.gz")))?;
            let arrived = runtime.block_on(async {
                let arrival = tokio::time::timeout(QUIET, arrivals.recv()).await;
                arrival.ok().flatten()
            });
            times.push(arrived.ok_or("a file does not arrive")? - renamed);
            sleep(PAUSE);
            // The other signal, if it was sent on its own.
            while arrivals.try_recv().is_ok() {}
        }
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
        println!(
            "renamed in, at the collector after: p50 {:.1} ms, p99 {:.1} ms",
            at(50),
            at(99)
        );
        Ok::<_, Failed>(())
    })();
    kill_process(Pid::from_child(&qtrail), Signal::TERM)?;
    qtrail.wait()?;
    measured
}

/// Waits until it has used no processor time for a while.
fn wait_until_idle(qtrail: &Child) -> Result<(), Failed> {
    let mut last = (0.0, Instant::now());
    while last.1.elapsed() < QUIET {
        let used = process_seconds(qtrail.id())?;
        if used > last.0 {
            last = (used, Instant::now());
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn write(folder: &Path, files: u64, share: f64, seed: u64) -> Result<(), Failed> {
    let spec = Spec {
        amount: Amount::Events(files),
        files: Some(files),
        share,
        seed,
        ..Spec::default()
    };
    qtrail_sample::write(&spec, folder, |_| {})?;
    Ok(())
}

/// The files below a folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.append(&mut listed(&path)?),
            false => files.push(path),
        }
    }
    Ok(files)
}
