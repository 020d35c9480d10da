//! S3 objects that SQS messages announce, where there are servers that speak both.
//!
//! What must hold: an event is owed once its object is stored and a message that announces it is sent.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio_util::sync::CancellationToken;

use super::ledger::Ledger;
use super::made::{Maker, container};
use crate::e2e::amazon::{Amazon, Queue};
use crate::support::fault_proxy::Answer;
use crate::support::notice;
use crate::support::program::gzip;
use crate::support::sidecar::Place;

/// How long a message stays hidden from other receivers, in seconds.
const VISIBILITY: u32 = 10;

/// A bucket that keeps filling. It does so until it is stopped.
pub(super) struct Bucket {
    pub(super) amazon: Arc<Amazon>,
    pub(super) queue: Arc<Queue>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Bucket {
    /// `None`, and a line that says so, where there are no servers.
    pub(super) async fn start(ledger: &Arc<Ledger>, rng: &mut Rng) -> Option<Self> {
        let amazon = match std::env::var_os("QTRAIL_E2E_ELASTICMQ") {
            Some(_) => Amazon::start("soak").await?,
            None => Amazon::moto_alone("soak").await?,
        };
        let (amazon, stop) = (Arc::new(amazon), CancellationToken::new());
        let queue = Arc::new(amazon.queue("soak", VISIBILITY, None).await);
        let filling = fill(
            Arc::clone(&amazon),
            Arc::clone(&queue),
            Maker::new("s3", ledger, rng.fork()),
            Arc::clone(ledger),
            rng.fork(),
            stop.clone(),
        );
        Some(Bucket {
            amazon,
            queue,
            stop,
            task: tokio::spawn(filling),
        })
    }

    /// What qtrail needs to read the queue: a part of its environment, and its arguments.
    pub(super) fn settings(&self, place: &Place) -> Command {
        let mut command = self.amazon.settings(place);
        command.args(["--sqs", &self.queue.url]);
        command
    }

    /// The next requests fail.
    pub(super) fn fail(&self, rng: &mut Rng) {
        let answers = [
            Answer::SlowDown,
            Answer::CutAfter(100),
            Answer::ExpiredToken,
        ];
        let answer = answers[rng.usize(..answers.len())];
        let operations = ["GetObject", "ReceiveMessage", "DeleteMessageBatch"];
        let operation = operations[rng.usize(..operations.len())];
        self.amazon
            .proxy
            .answer_next(operation, vec![answer; rng.usize(1..4)]);
    }

    /// Returns once nothing more is put there.
    pub(super) async fn stop(&mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

async fn fill(
    amazon: Arc<Amazon>,
    queue: Arc<Queue>,
    mut maker: Maker,
    ledger: Arc<Ledger>,
    mut rng: Rng,
    stop: CancellationToken,
) {
    let mut number = 0;
    while !stop.is_cancelled() {
        number += 1;
        let batch = maker.batch();
        let key = format!(
            "AWSLogs/111122223333/CloudTrail/us-east-1/2024/04/10/111122223333_CloudTrail_us-east-1_20240410T1410Z_{number:016}.json.gz"
        );
        let text = container(&mut rng).around(&batch.records);
        amazon.put(&key, gzip(&text)).await;
        let bucket = &amazon.bucket;
        let body = match rng.u8(0..4) {
            0 => notice::s3(bucket, &[&key]),
            1 => notice::through_sns(&notice::s3(bucket, &[&key])),
            2 => notice::cloudtrail(bucket, &[&key]),
            _ => notice::event_bridge(bucket, &key),
        };
        amazon.send(&queue, &[body]).await;
        ledger.owe(&batch.ids);
        ledger.owe_manifest(&text, batch.records.len());
        tokio::time::sleep(Duration::from_millis(rng.u64(100..800))).await;
    }
}
