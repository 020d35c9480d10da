//! Reads and records the progress of a region in the state.

use std::sync::Arc;

use super::{Region, Stopped};
use crate::input::event_history::lookup::Lookup;

impl<L: Lookup> Region<L> {
    /// The recorded time, with retries until the state can be read.
    pub(super) async fn delivered(&mut self, source: &str) -> Result<Option<i64>, Stopped> {
        loop {
            match self.shared.state.get((&self.name, source)) {
                Ok(done) => return Ok(done),
                Err(error) => {
                    self.log_state_error(&error);
                    self.pace.failed(fastrand::f64());
                    let stop = self.shared.stop.clone();
                    tokio::select! {
                        () = stop.cancelled() => return Err(Stopped),
                        () = self.pace.turn() => {}
                    }
                }
            }
        }
    }

    /// Records the progress. If that fails, a restart repeats the slice.
    pub(super) async fn note(&self, source: &str, second: i64) {
        let state = Arc::clone(&self.shared.state);
        let (region, source) = (Arc::clone(&self.name), source.to_owned());
        let written =
            tokio::task::spawn_blocking(move || state.set((&region, &source), second)).await;
        if let Ok(Err(error)) = written {
            self.log_state_error(&error);
        }
    }
}
