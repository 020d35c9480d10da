//! A trail that keeps arriving by every way in at once, while the collector, the disk, the process, the clock
//! and the files fail at random; and a ledger of every event.
//!
//! `just soak [MINUTES] [SEED]` runs it. It ends with a table, and fails on any finding: an event that was
//! acknowledged, or is in the directory, and is neither in both signals nor in the dead letters; one that
//! nobody made; one that came with other ids, times or bytes; memory that grows; a balance that does not hold;
//! a process that ended by itself; a file without a manifest record, or with one that does not agree with it. `QTRAIL_SOAK_MINUTES` and `QTRAIL_SOAK_SEED` are its settings; with the same
//! seed the same things go wrong in the same order.

mod back_end;
mod directory;
mod ledger;
mod made;
mod memory;
mod process;
#[cfg(feature = "aws")]
mod queue;
mod senders;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;

use crate::support::sidecar::{Place, balance};
use back_end::{BackEnd, MOODS, Mood};
use directory::Writer;
use ledger::{Ledger, Row};
use memory::Memory;
use process::Program;
use senders::Senders;

/// Minutes, where nobody says otherwise.
const MINUTES: u64 = 10;
/// In the last part of a run the process lives, so that its memory can be followed: so many percent.
const STEADY: u32 = 40;
/// How long the end waits without anything new.
const PATIENCE: Duration = Duration::from_secs(90);
/// What becomes of delivered files.
const AFTER: [&str; 2] = ["keep", "delete"];
/// The furthest that the clock jumps, in seconds.
const JUMP: i64 = 3 * 24 * 3600;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just soak"]
async fn soak() {
    let minutes = variable("QTRAIL_SOAK_MINUTES").unwrap_or(MINUTES);
    let seed = variable("QTRAIL_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("soak: {minutes} min, QTRAIL_SOAK_SEED={seed}");
    let mut run = Run::start(Rng::with_seed(seed)).await;
    let length = Duration::from_secs(60 * minutes);
    run.storm(length * (100 - STEADY) / 100, true).await;
    run.storm(length * STEADY / 100, false).await;
    let findings = run.finish().await;
    assert_eq!(findings, 0, "QTRAIL_SOAK_SEED={seed}");
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.map(|value| value.parse().expect("a number"))
}

/// Everything that runs.
struct Run {
    rng: Rng,
    ledger: Arc<Ledger>,
    back_end: Arc<tokio::sync::Mutex<BackEnd>>,
    program: Program,
    after: &'static str,
    writer: Writer,
    senders: Senders,
    #[cfg(feature = "aws")]
    bucket: Option<queue::Bucket>,
    memory: Memory,
    faults: BTreeMap<String, u32>,
    began: Instant,
}

impl Run {
    async fn start(mut rng: Rng) -> Self {
        let ledger = Arc::new(Ledger::default());
        let back_end = BackEnd::start(&ledger, rng.fork()).await;
        let endpoint = back_end.lock().await.collector.url();
        let place = Place::new();
        #[cfg(feature = "aws")]
        let bucket = queue::Bucket::start(&ledger, &mut rng).await;
        #[cfg(feature = "aws")]
        let more = match &bucket {
            Some(bucket) => bucket.settings(&place),
            None => Command::new("qtrail"),
        };
        #[cfg(not(feature = "aws"))]
        let more = Command::new("qtrail");
        let after = AFTER[rng.usize(..AFTER.len())];
        let mut program = Program::new(place, endpoint, &more);
        program.start(after, &mut rng);
        Run {
            writer: Writer::start(program.trail(), &ledger, rng.fork()),
            senders: Senders::start(program.grpc, program.http, &ledger, &mut rng),
            #[cfg(feature = "aws")]
            bucket,
            ledger,
            back_end,
            program,
            after,
            memory: Memory::default(),
            faults: BTreeMap::new(),
            began: Instant::now(),
            rng,
        }
    }

    /// Something goes wrong again and again; `lives`: the process ends, too.
    async fn storm(&mut self, length: Duration, lives: bool) {
        let end = Instant::now() + length;
        if !lives {
            // One life, from here on.
            self.memory.begin();
        }
        while Instant::now() < end {
            self.fault(lives).await;
            let pause = self.rng.u64(100..1500);
            self.wait(Duration::from_millis(pause)).await;
        }
    }

    /// Waits, and looks at the process meanwhile.
    async fn wait(&mut self, length: Duration) {
        let end = Instant::now() + length;
        loop {
            self.program.expect_running();
            if let Some((age, bytes)) = self.program.memory() {
                self.memory.saw(age, bytes);
            }
            for line in self.program.dead_letters() {
                self.ledger.letter(&line);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_millis(500))).await;
        }
    }

    async fn fault(&mut self, lives: bool) {
        let length = Duration::from_millis(self.rng.u64(200..4000));
        let name = match self.rng.u8(0..24) {
            0..=9 => {
                let mood = MOODS[self.rng.usize(..MOODS.len())];
                self.back_end.lock().await.turn(mood).await;
                self.wait(length).await;
                if lives && mood == Mood::ManifestRefused {
                    self.program.kill();
                    self.restart().await;
                }
                self.back_end.lock().await.turn(Mood::Well).await;
                format!("collector {mood:?}").to_lowercase()
            }
            10..=13 if lives => {
                self.program.kill();
                self.restart().await;
                "process killed".to_owned()
            }
            14..=15 if lives => {
                if let Err(finding) = self.program.terminate() {
                    self.ledger.wrong(finding);
                }
                self.restart().await;
                "process terminated".to_owned()
            }
            16..=17 => {
                self.program.signal(Signal::STOP);
                tokio::time::sleep(length).await;
                self.program.signal(Signal::CONT);
                "process stopped for a while".to_owned()
            }
            18..=20 => {
                // Some files are full, or all.
                tokio::task::block_in_place(|| self.program.wait_until_it_serves());
                let room = [0, 4 << 10, 1 << 20][self.rng.usize(..3)];
                self.program.room(Some(room));
                self.wait(length).await;
                if lives && self.rng.bool() {
                    self.program.kill();
                    self.restart().await;
                } else {
                    self.program.room(None);
                }
                "disk full".to_owned()
            }
            21..=22 => {
                let to = self.rng.i64(-JUMP..JUMP);
                match self.program.jump(to) {
                    true => "clock jumped".to_owned(),
                    false => return,
                }
            }
            _ => return self.fail_s3(),
        };
        *self.faults.entry(name).or_default() += 1;
    }

    async fn restart(&mut self) {
        // Down for a moment, or not at all.
        let pause = self.rng.u64(0..800);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        self.program.start(self.after, &mut self.rng);
    }

    #[cfg(feature = "aws")]
    fn fail_s3(&mut self) {
        if let Some(bucket) = &self.bucket {
            bucket.fail(&mut self.rng);
            *self.faults.entry("amazon failed".to_owned()).or_default() += 1;
        }
    }

    #[cfg(not(feature = "aws"))]
    fn fail_s3(&mut self) {}

    /// Lets everything arrive, and tells what is wrong: how many findings.
    async fn finish(mut self) -> u64 {
        let length = self.began.elapsed();
        self.program.room(None);
        self.back_end.lock().await.turn(Mood::Well).await;
        println!("soak: the end of the faults; what is under way arrives");
        self.writer.stop();
        #[cfg(feature = "aws")]
        if let Some(bucket) = &mut self.bucket {
            bucket.stop().await;
        }
        let stopping = tokio::time::timeout(PATIENCE, self.senders.stop());
        if stopping.await.is_err() {
            self.ledger
                .wrong(format!("a sender waited {PATIENCE:?} for an answer"));
        }
        self.settle().await;
        if let Err(finding) = self.program.terminate() {
            self.ledger.wrong(finding);
        }
        self.back_end.lock().await.drain();
        if let Some(finding) = self.memory.finding() {
            self.ledger.wrong(finding);
        }
        let (wrong, findings, rows) = self.ledger.close();
        println!("\n{}", table(&rows));
        println!(
            "{} min, files: {}; memory: {}",
            length.as_secs() / 60,
            self.after,
            self.memory
        );
        for (name, times) in &self.faults {
            println!("{times:>6} × {name}");
        }
        let (manifests, files) = self.ledger.manifests();
        println!("{manifests} manifest records, {files} whole files and objects");
        println!("findings: {wrong}");
        for finding in findings {
            println!("  {finding}");
        }
        wrong
    }
}

impl Run {
    /// Waits until nothing is missing, or nothing new arrives any more; then the balance holds.
    async fn settle(&mut self) {
        let (mut missing, mut since) = (usize::MAX, Instant::now());
        while since.elapsed() < PATIENCE {
            self.wait(Duration::from_secs(1)).await;
            let metrics = tokio::task::block_in_place(|| self.program.metrics());
            let settled = metrics.is_some_and(|metrics| {
                let balance = balance(&metrics);
                balance.holds() && balance.in_flight == 0
            });
            let left = self.ledger.missing() + usize::from(!settled);
            if left == 0 {
                return;
            }
            if left < missing {
                (missing, since) = (left, Instant::now());
            }
        }
        let metrics = self.program.metrics().map(|metrics| balance(&metrics));
        if !metrics
            .as_ref()
            .is_some_and(|balance| balance.holds() && balance.in_flight == 0)
        {
            self.ledger
                .wrong(format!("the balance does not hold: {metrics:?}"));
        }
    }
}

fn table(rows: &BTreeMap<&'static str, Row>) -> String {
    let mut table = format!(
        "{:<14}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>6}\n",
        "way in", "made", "owed", "arrived", "letters", "repeated", "excused", "lost"
    );
    let mut all = Row::default();
    let line = |name: &str, row: &Row| {
        format!(
            "{name:<14}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>6}\n",
            row.made, row.owed, row.arrived, row.letters, row.repeated, row.excused, row.lost
        )
    };
    for (name, row) in rows {
        table += &line(name, row);
        all.made += row.made;
        all.owed += row.owed;
        all.arrived += row.arrived;
        all.letters += row.letters;
        all.repeated += row.repeated;
        all.excused += row.excused;
        all.lost += row.lost;
    }
    table + &line("all", &all)
}
