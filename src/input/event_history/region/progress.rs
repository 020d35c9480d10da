//! How far a region was delivered, in the state.

use std::sync::Arc;

use super::{Region, Stopped};
use crate::input::event_history::lookup::Lookup;

impl<L: Lookup> Region<L> {
    /// What the state says, however often it has to be asked.
    pub(super) async fn delivered(&mut self, source: &str) -> Result<Option<i64>, Stopped> {
        loop {
            match self.shared.state.delivered(&self.name, source) {
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

    /// Notes how far it was delivered. Where that fails, as much is asked for again after a restart.
    pub(super) async fn note(&self, source: &str, second: i64) {
        let state = Arc::clone(&self.shared.state);
        let (region, source) = (Arc::clone(&self.name), source.to_owned());
        let written =
            tokio::task::spawn_blocking(move || state.set(&region, &source, second)).await;
        if let Ok(Err(error)) = written {
            self.log_state_error(&error);
        }
    }
}
