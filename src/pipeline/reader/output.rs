//! Where the reader's steps go, and how it waits.
//!
//! Enters: steps. Leaves: the same, to be settled. What must hold: on a thread that must not block,
//! nothing is waited for: the reader gives up instead, and the unit is read anew where it may wait.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{Step, Stopped};
use crate::telemetry::metrics::Metrics;

/// Takes steps.
#[allow(clippy::large_enum_variant, reason = "one reader has one")]
pub(super) enum Output {
    /// All of them, from a blocking thread.
    Steps(Handle, mpsc::Sender<Step>),
    /// A single one, without waiting for anything.
    One(Option<Step>),
}

impl Output {
    /// Fails where the reader must not wait, as for room among the dead letters.
    pub(super) fn may_wait(&self) -> Result<(), Stopped> {
        match self {
            Output::Steps(..) => Ok(()),
            Output::One(_) => Err(Stopped::Abandoned),
        }
    }

    /// Waits, if that is possible here.
    pub(super) fn wait<T>(
        &self,
        future: impl Future<Output = Result<T, Stopped>>,
    ) -> Result<T, Stopped> {
        match self {
            Output::Steps(handle, _) => handle.block_on(future),
            Output::One(_) => match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(Stopped::Abandoned),
            },
        }
    }

    /// Returns once nobody takes steps any more.
    pub(super) async fn closed(&self) {
        match self {
            Output::Steps(_, steps) => steps.closed().await,
            Output::One(_) => std::future::pending().await,
        }
    }

    /// Sends a step, and counts it: only what is settled later may be counted.
    pub(super) fn send(&mut self, step: Step, metrics: &Metrics) -> Result<(), Stopped> {
        match self {
            Output::Steps(handle, steps) => {
                let room = handle
                    .block_on(steps.reserve())
                    .map_err(|_| Stopped::Abandoned)?;
                step.count(metrics);
                room.send(step);
            }
            Output::One(Some(_)) => return Err(Stopped::Abandoned),
            Output::One(one) => *one = Some(step),
        }
        Ok(())
    }
}
