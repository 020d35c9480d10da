//! Progress on a terminal, for what takes longer than a second.
//!
//! Enters: bytes read, events counted. Leaves: a bar on standard error; nothing in a pipe.

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::telemetry::metrics::Metrics;

/// A bar, shown from the first second on. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar over this many bytes; without a total, a spinner.
    pub(super) fn new(total: Option<u64>, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match total {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} {eta} left",
            None => "{spinner} {bytes} {binary_bytes_per_sec} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !quiet && io::stderr().is_terminal() {
            let shown = bar.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if !shown.is_finished() {
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                }
            });
        }
        Progress(bar)
    }

    /// Counts what is read through the returned reader.
    pub(super) fn wrap(&self, content: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(self.0.wrap_read(content))
    }

    /// Shows the events so far.
    pub(super) fn events(&self, metrics: &Metrics) {
        self.0.set_message(format!(
            "{} events, {} exported",
            metrics.read.get(),
            metrics.exported.get()
        ));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
