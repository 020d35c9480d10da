//! Progress bars for commands that take longer than a second.
//!
//! Enters: bytes and events so far. Leaves: a bar on standard error, if that is a terminal.

use std::fmt;
use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::runtime::terminal;
use crate::telemetry::metrics::Metrics;

/// A bar, shown after the first second. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A spinner, for an unknown total.
    pub(super) fn spinner(quiet: bool) -> Self {
        Self::with("{spinner} {msg}", None, quiet)
    }

    /// A bar over the bytes of files that are done one after another.
    pub(super) fn files(bytes: u64, quiet: bool) -> Self {
        let template = "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}{left}";
        Self::with(template, Some(bytes), quiet)
    }

    /// Whether progress bars are shown.
    pub(super) fn is_shown(quiet: bool) -> bool {
        !quiet && io::stderr().is_terminal()
    }

    /// A bar over this many bytes, or a spinner without a total.
    pub(super) fn new(total: Option<u64>, quiet: bool) -> Self {
        let template = match total {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}{left}",
            None => "{spinner} {bytes} {binary_bytes_per_sec} {msg}",
        };
        Self::with(template, total, quiet)
    }

    fn with(template: &str, total: Option<u64>, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("left", time_left));
        }
        if Self::is_shown(quiet) {
            let shown = bar.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if !shown.is_finished() {
                    terminal::share(&shown);
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                }
            });
        }
        Progress(bar)
    }

    /// Counts the bytes read through the returned reader.
    pub(super) fn wrap(&self, content: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(self.0.wrap_read(content))
    }

    /// Shows the number of events so far.
    pub(super) fn events(&self, metrics: &Metrics) {
        self.0.set_message(format!(
            "{}, {} exported",
            super::count(metrics.read.get(), "event"),
            metrics.exported.get()
        ));
    }

    /// Shows the position and a message.
    pub(super) fn at(&self, bytes: u64, message: String) {
        self.0.set_position(bytes);
        self.0.set_message(message);
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
        terminal::clear();
    }
}

/// The time left; nothing before the first byte, when it is unknown.
fn time_left(state: &ProgressState, out: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        // A failure to draw is ignored.
        let _ = write!(out, " {:#} left", HumanDuration(state.eta()));
    }
}
