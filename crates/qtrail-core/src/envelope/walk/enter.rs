//! Enters a container.
//!
//! What must hold: the object around a container continues behind it.

use std::io::Read;

use super::{Frame, Phase, Walk};
use crate::envelope::Skipped;
use crate::envelope::containers::{Container, is_control_message};
use crate::envelope::keys::Keys;
use crate::envelope::scan::Scanner;

impl<R: Read> Walk<R> {
    /// At `at` begins an array under a key of a container.
    pub(super) fn container(&mut self) {
        if self.fits_window(self.at) {
            let beginning = self.window.slice(self.piece.start(), self.at);
            let log_events = self.scanner.last_key() == Keys::LOG_EVENTS;
            if log_events && is_control_message(beginning) {
                self.known = Some(Skipped::ControlMessage);
                self.scanner.stop_no_more();
                return;
            }
        }
        let lines = self.piece.has_lines(&self.window, self.at);
        self.enter_object(lines);
    }

    /// The array at `at` is a container.
    pub(super) fn enter_object(&mut self, lines: bool) {
        self.entered = true;
        self.at += 1;
        let object = std::mem::replace(&mut self.scanner, Scanner::new());
        let container = Container::under(object.last_key(), object.keys());
        self.enter(container, Some(object), lines);
    }

    /// `lines`: a line has ended before, in the object around it.
    pub(super) fn enter(&mut self, container: Container, object: Option<Scanner>, lines: bool) {
        self.frame = Some(Frame {
            container,
            object,
            lines,
            ignored: false,
        });
        self.left_container = None;
        self.phase = Phase::Between;
    }

    /// Returns to the container that reading left for a line.
    pub(super) fn reenter(&mut self) {
        if let Some(frame) = self.left_container.take() {
            self.frame = Some(frame);
            self.entered = true;
        }
    }
}
