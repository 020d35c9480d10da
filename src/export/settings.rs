//! What an exporter is made of, by its settings.

use std::future::pending;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::end::{End, Ending, unread};
use super::health::Board;
use super::transport::Transports;
use super::{Destination, Settings, signal_sender};
use crate::runtime::retry::Schedule;
use crate::telemetry::metrics::Metrics;

/// While a request is under way, its bytes may stand beside the records that it was made of: so many times its
/// size.
const REQUEST_FACTOR: usize = 2;
/// Log records and spans.
const SIGNALS: usize = 2;

impl Settings {
    /// The bytes of all requests under way, and of the next one of each signal.
    pub(super) fn useful_bytes(&self) -> usize {
        let request = self.batch_bytes.saturating_mul(REQUEST_FACTOR * SIGNALS);
        request.saturating_mul(self.concurrency.saturating_add(1))
    }

    pub(super) fn transports(&self) -> anyhow::Result<Transports> {
        Transports::open(&self.destination, self.write_errors_end)
    }

    /// What ends the exporter beside an answer.
    pub(super) async fn ends(self, board: Arc<Board>) -> End {
        let unread = async {
            match self.destination {
                Destination::Stdout => unread(std::io::stdout()).await,
                _ => pending().await,
            }
        };
        let dead_end = async {
            match self.give_up_after {
                Some(after) => (board.dead_end(after).await, after),
                None => pending().await,
            }
        };
        tokio::select! {
            () = unread => End::Unread,
            (reason, after) = dead_end => End::Failed(format!(
                "nothing was accepted for {} s (export.give_up_after): {reason}",
                after.as_secs_f64()
            )),
        }
    }

    pub(super) fn shared(
        &self,
        metrics: Arc<Metrics>,
        stop: &CancellationToken,
    ) -> signal_sender::Shared {
        let stop = stop.child_token();
        signal_sender::Shared {
            ending: Arc::new(Ending::new(stop.clone())),
            limits: signal_sender::Limits {
                events: self.batch_events.max(1),
                bytes: self.batch_bytes.max(1),
                spread: self
                    .batch_spread
                    .map(|spread| i64::try_from(spread.as_nanos()).unwrap_or(i64::MAX)),
            },
            schedule: Schedule {
                initial: self.retry_initial,
                max: self.retry_max,
            },
            board: Board::new(Arc::clone(&metrics)),
            metrics,
            stop,
        }
    }
}
