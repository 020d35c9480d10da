//! What a signal of the watch leads to.
//!
//! Enters: signals. Leaves: files in the schedule, folders to walk, and which files were written to and not
//! closed since.

use std::path::Path;
use std::time::Instant;

use super::{Engine, FOLDERS, WRITTEN};
use crate::input::directory::kind::named_lines;
use crate::input::directory::schedule::Heard;
use crate::input::directory::walk::place;
use crate::input::directory::watch::Signal;
use crate::input::directory::{After, Deliver, after, lines};

impl<D: Deliver> Engine<D> {
    pub(super) fn hear(&mut self, signal: Signal) {
        let now = Instant::now();
        let closed = Heard {
            closed: true,
            ..Heard::default()
        };
        match signal {
            Signal::Closed(path) => {
                self.written.remove(&path);
                self.changed(&path, now, closed);
            }
            Signal::Renamed { from, to } => {
                let written = from.as_ref().is_some_and(|from| self.written.remove(from));
                self.wrote(&to, written);
                // Giving a file its name back is no rotation.
                let ours = from.is_some_and(|from| after::original(&from).is_some());
                let heard = Heard {
                    renamed: !ours,
                    ..closed
                };
                self.changed(&to, now, heard);
            }
            Signal::Written(path) => {
                self.wrote(&path, true);
                self.touched(&path, now);
            }
            Signal::Changed(path) => self.touched(&path, now),
            Signal::Folder(path) if self.folders.len() < FOLDERS => {
                if self.ctx.filter.enters(&path) {
                    self.folders.insert(path);
                }
            }
            Signal::Folder(_) | Signal::Walk => {
                // What was not heard may have closed them.
                self.written.clear();
                self.next_walk = now;
            }
            Signal::Failed => {
                self.partly = true;
                self.next_walk = now;
            }
        }
    }

    /// Remembers whether a file was written to and not closed, where that makes a difference.
    fn wrote(&mut self, path: &Path, written: bool) {
        if !written {
            self.written.remove(path);
        } else if self.ctx.settings.after != After::Keep {
            if self.written.len() >= WRITTEN {
                self.written.clear();
            }
            self.written.insert(path.to_owned());
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
        self.changed(path, now + wait, Heard::default());
    }

    fn changed(&mut self, path: &Path, due: Instant, heard: Heard) {
        if self.ctx.filter.reads(path) {
            let (order, path) = place(self.ctx.tuning.observed, path, (self.ctx.tuning.now)());
            self.more |= !self.schedule.offer(path, order, due, heard);
        }
    }
}
