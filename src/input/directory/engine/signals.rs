//! What a signal of the watch leads to.
//!
//! Enters: signals. Leaves: files in the schedule, and folders to walk.

use std::path::Path;
use std::time::Instant;

use super::{Engine, FOLDERS};
use crate::input::directory::kind::named_lines;
use crate::input::directory::walk::position;
use crate::input::directory::watch::Signal;
use crate::input::directory::{Deliver, lines};

impl<D: Deliver> Engine<D> {
    pub(super) fn on_signal(&mut self, signal: Signal) {
        let now = Instant::now();
        match signal {
            Signal::Closed(path) | Signal::Renamed { to: path, .. } => {
                self.changed(&path, now, true);
            }
            Signal::Written(path) | Signal::Created(path) | Signal::Changed(path) => {
                self.touched(&path, now);
            }
            Signal::Folder(path) if self.folders.len() < FOLDERS => {
                if self.ctx.filter.enters(&path) {
                    self.folders.insert(path);
                }
            }
            Signal::Folder(_) | Signal::Walk => self.next_walk = now,
            Signal::Failed => {
                self.partly = true;
                self.next_walk = now;
            }
        }
    }

    /// More may follow: it is looked at once it is quiet, or soon where its lines are followed.
    fn touched(&mut self, path: &Path, now: Instant) {
        let follows = self.ctx.followed.has(path) || path.file_name().is_some_and(named_lines);
        let quiet = self.ctx.settings.settle;
        let wait = match follows {
            true => lines::DELAY.min(quiet),
            false => quiet,
        };
        self.changed(path, now + wait, false);
    }

    fn changed(&mut self, path: &Path, due: Instant, closed: bool) {
        if self.ctx.filter.reads(path) {
            let (order, path) = position(self.ctx.tuning.observed, path, (self.ctx.tuning.now)());
            self.more |= !self.schedule.offer(path, order, due, closed);
        }
    }
}
