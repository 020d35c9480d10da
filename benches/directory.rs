//! How long a directory of many files takes to start on, and how much memory: first with every
//! file new, then again with every file settled.
//!
//! `cargo bench --bench directory -- 1000000` for a million files (100,000 without a number).

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use globset::GlobSet;
use qtrail::export::Outcome;
use qtrail::input::directory::{self, After, Deliver, Settings, Slot, Start};
use qtrail::pipeline::{Content, Counts, Report, Unit};
use qtrail::telemetry::metrics::Metrics;
use tokio_util::sync::CancellationToken;

/// Files of one folder.
const FOLDER: u64 = 1000;

/// Reads units, and takes them all.
#[derive(Clone, Default)]
struct Reader {
    units: Arc<AtomicU64>,
}

impl Deliver for Reader {
    async fn deliver(&self, unit: Unit, _: &mut Slot) -> Report {
        let Content::Twice(mut content, _) = unit.content else {
            unreachable!("the directory has no texts");
        };
        let bytes = io::copy(&mut content, &mut io::sink());
        self.units.fetch_add(1, Ordering::Relaxed);
        Report {
            counts: Counts {
                read: 1,
                exported: 1,
                ..Counts::default()
            },
            read_error: bytes.as_ref().err().map(|error| error.to_string()),
            ..Report::empty(Outcome::Delivered, bytes.unwrap_or_default())
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = std::env::args().find_map(|argument| argument.parse().ok());
    let files: u64 = number.unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("root");
    let settings = settings(&root, &folder.path().join("state"));
    make(&root, files)?;
    let runtime = tokio::runtime::Runtime::new()?;
    println!("{files} files");
    for name in ["first start", "restart", "restart"] {
        let reader = Reader::default();
        let started = Instant::now();
        runtime.block_on(directory::run(
            settings.clone(),
            reader.clone(),
            Arc::new(Metrics::default()),
            CancellationToken::new(),
        ))?;
        let (took, units) = (started.elapsed(), reader.units.load(Ordering::Relaxed));
        let state = fs::metadata(settings.state.join("state.redb"))?.len() >> 20;
        println!(
            "{name}: {took:.2?}, {units} files read, state {state} MiB, at most {} of memory",
            peak_memory()
        );
    }
    Ok(())
}

fn settings(root: &Path, state: &Path) -> Settings {
    Settings {
        root: root.to_owned(),
        include: GlobSet::empty(),
        exclude: GlobSet::empty(),
        settle: Duration::from_nanos(1),
        rescan: Duration::from_secs(3600),
        poll: false,
        start: Start::Beginning,
        after: After::Keep,
        state: state.to_owned(),
        workers: 4,
        idle_files_warning: 1000,
        once: true,
    }
}

fn make(root: &Path, files: u64) -> io::Result<()> {
    for n in 0..files {
        let folder = root.join((n / FOLDER).to_string());
        if n % FOLDER == 0 {
            fs::create_dir_all(&folder)?;
        }
        let name = format!("111122223333_CloudTrail_us-east-1_20260101T0000Z_{n:016}.json");
        fs::write(
            folder.join(name),
            format!(r#"{{"Records":[{{"eventID":"{n}"}}]}}"#),
        )?;
    }
    Ok(())
}

/// The most memory that the process ever held, where the system tells.
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(
        || "an unknown amount".to_owned(),
        |peak| peak.trim().to_owned(),
    )
}
