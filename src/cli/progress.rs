//! Progress bars for commands that take longer than a second.
//!
//! Enters: bytes and events so far. Leaves: a bar on standard error, if that is a terminal. What must hold: it fits the
//! terminal's width; its units are those of the summary.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::input::backfill::backend_limits::shown;
use crate::runtime::terminal;
use crate::telemetry::metrics::Metrics;
use crate::view::numbers::bytes;

/// How long a command takes before its bar is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between updates of the bar.
const UPDATE: Duration = Duration::from_millis(200);

/// What a bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Bytes,
    Events,
}

/// A bar, shown after the first second. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    detail: Arc<Mutex<String>>,
}

impl Progress {
    /// A spinner, for an unknown total.
    pub(super) fn spinner(quiet: bool) -> Self {
        Self::of(None, Measure::Bytes, quiet)
    }

    /// A bar over the bytes of files that are done one after another.
    pub(super) fn files(bytes: u64, quiet: bool) -> Self {
        Self::of(Some(bytes), Measure::Bytes, quiet)
    }

    /// Whether progress bars are shown.
    pub(super) fn is_shown(quiet: bool) -> bool {
        !quiet && io::stderr().is_terminal()
    }

    /// A bar over the bytes of the files and directories that these paths name, whose total is known soon; a spinner
    /// where a path is none.
    pub(super) fn over(paths: &[PathBuf], quiet: bool) -> Self {
        let progress = Self::spinner(quiet);
        if Self::is_shown(quiet) {
            let (paths, bar) = (paths.to_vec(), progress.bar.clone());
            tokio::task::spawn_blocking(move || {
                if let Some(total) = paths.iter().map(|path| bytes_below(path)).sum() {
                    bar.set_length(total);
                }
            });
        }
        progress
    }

    /// A bar over this many bytes or events, or a spinner without a total.
    pub(super) fn of(total: Option<u64>, unit: Measure, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let progress = Progress {
            bar,
            detail: Arc::default(),
        };
        if Self::is_shown(quiet) {
            tokio::spawn(progress.clone().show(unit));
        }
        progress
    }

    /// Shows the bar after a while, until the end.
    async fn show(self, unit: Measure) {
        tokio::time::sleep(PATIENCE).await;
        let Progress { bar, detail } = self;
        if !bar.is_finished() {
            terminal::share(&bar);
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let mut has_total = None;
        while !bar.is_finished() {
            if has_total != Some(bar.length().is_some()) {
                has_total = Some(bar.length().is_some());
                bar.set_style(style(bar.length().is_some()));
            }
            let so_far = SoFar {
                done: bar.position(),
                total: bar.length(),
                rate: bar.per_sec(),
                left: bar.eta(),
            };
            let detail = detail
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            bar.set_message(so_far.text(unit, &detail));
            bar.tick();
            tokio::time::sleep(UPDATE).await;
        }
    }

    /// Counts the bytes read through the returned reader.
    pub(super) fn wrap(&self, content: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(self.bar.wrap_read(content))
    }

    /// Shows the number of events so far.
    pub(super) fn events(&self, metrics: &Metrics) {
        self.tell(format!(
            "{}, {} exported",
            super::count(metrics.read.get(), "event"),
            metrics.exported.get()
        ));
    }

    /// Shows the position and a message.
    pub(super) fn at(&self, position: u64, message: String) {
        self.bar.set_position(position);
        self.tell(message);
    }

    fn tell(&self, message: String) {
        *self.detail.lock().unwrap_or_else(PoisonError::into_inner) = message;
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        terminal::clear();
    }
}

/// The text is cut at the end of the line.
fn style(has_total: bool) -> ProgressStyle {
    let template = match has_total {
        true => "{bar:10} {wide_msg}",
        false => "{spinner} {wide_msg}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The bytes of a file, or of all files of a directory; `None` for anything else, such as a pipe.
fn bytes_below(path: &Path) -> Option<u64> {
    let metadata = path.metadata().ok()?;
    if metadata.is_file() {
        return Some(metadata.len());
    }
    let (mut bytes, mut folders) = (0, vec![std::fs::read_dir(path).ok()?]);
    while let Some(folder) = folders.last_mut() {
        match folder.next() {
            None => drop(folders.pop()),
            Some(Ok(entry)) => match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    folders.extend(std::fs::read_dir(entry.path()));
                }
                Ok(metadata) if metadata.is_file() => bytes += metadata.len(),
                _ => {}
            },
            Some(Err(_)) => {}
        }
    }
    Some(bytes)
}

/// How far it is.
struct SoFar {
    done: u64,
    total: Option<u64>,
    /// Per second.
    rate: f64,
    left: Duration,
}

impl SoFar {
    /// The most important first: what does not fit is cut.
    fn text(&self, unit: Measure, detail: &str) -> String {
        let amount = |n: u64| match unit {
            Measure::Bytes => bytes(n),
            Measure::Events => super::count(n, "event"),
        };
        let mut parts = Vec::new();
        if let Some(total) = self.total {
            // A file may have grown.
            let total = total.max(self.done);
            let percent = self.done * 100 / total.max(1);
            parts.push(format!("{percent} % of {}", amount(total)));
        } else if self.done > 0 {
            parts.push(amount(self.done));
        }
        if self.done > 0 && self.rate >= 1.0 {
            parts.push(format!("{}/s", amount(self.rate as u64)));
            if self.total.is_some() {
                parts.push(format!("{} left", shown(self.left)));
            }
        }
        parts.extend((!detail.is_empty()).then(|| detail.to_owned()));
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_total_rate_and_time_left_in_the_units_of_the_summary() {
        let so_far = SoFar {
            done: 30_000_000,
            total: Some(120_000_000),
            rate: 1_500_000.0,
            left: Duration::from_secs(60),
        };
        assert_eq!(
            so_far.text(Measure::Bytes, "7 events, 2 exported"),
            "25 % of 120.0 MB, 1.5 MB/s, 1 min left, 7 events, 2 exported"
        );
        let so_far = SoFar {
            total: None,
            ..so_far
        };
        assert_eq!(so_far.text(Measure::Bytes, ""), "30.0 MB, 1.5 MB/s");
    }

    #[test]
    fn a_bar_without_progress_says_no_rate_and_no_time() {
        let so_far = SoFar {
            done: 0,
            total: Some(0),
            rate: 0.0,
            left: Duration::ZERO,
        };
        assert_eq!(
            so_far.text(Measure::Events, "listing"),
            "0 % of 0 events, listing"
        );
    }

    #[test]
    fn the_total_is_that_of_all_files_and_unknown_with_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/one"), "12345").unwrap();
        std::fs::write(folder.path().join("two"), "123").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).unwrap();
        assert_eq!(bytes_below(folder.path()), Some(8));
        assert_eq!(bytes_below(&folder.path().join("two")), Some(3));
        assert_eq!(bytes_below(Path::new("/dev/null")), None);
        assert_eq!(bytes_below(Path::new("-")), None);
    }
}
