//! The task that asks for names.

use std::path::PathBuf;
use std::time::Duration;

use qtrail_core::convert::Names;
use tokio::time::{Instant, sleep, sleep_until};

use super::Queue;
use super::cache::Cache;
use crate::runtime::retry::Schedule;
use crate::telemetry::printable::printable;

/// Between two requests: at most five a second. AWS allows 20 to a whole account.
pub(super) const PACE: Duration = Duration::from_millis(200);
/// Until a request that failed is sent again.
const RETRIES: Schedule = Schedule {
    initial: Duration::from_secs(1),
    max: Duration::from_secs(300),
};
/// Until it is tried whether the set-up was corrected.
pub(super) const SETUP: Duration = Duration::from_secs(15 * 60);
/// Failures in a row before the log says so.
const QUIET_FAILURES: u32 = 3;
/// While many wait, log records get names, and the file is written, this often.
const PUBLISH: Duration = Duration::from_secs(5);
/// Bytes of a name at most.
const NAME_BYTES: usize = 256;

/// What knows names.
pub(crate) trait Store: Send + Sync + 'static {
    /// The name of a user; `None` if there is no such user.
    fn name(
        &self,
        store: &str,
        user: &str,
    ) -> impl Future<Output = Result<Option<String>, Failure>> + Send;
}

/// Why a user could not be asked for.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// It may pass: the same request is sent again.
    Passes(String),
    /// Every request fails until something is corrected.
    Setup(String),
}

/// Asks for the users of the queue, one after the other, for ever. `publish` gets all names when there are new ones;
/// they are kept in the file.
pub(crate) async fn run(
    queue: Queue,
    store: impl Store,
    path: PathBuf,
    publish: impl Fn(Names) + Send,
) {
    let mut log = Log::default();
    let mut published = Instant::now();
    let mut failures = 0;
    let mut again = None;
    loop {
        let user = match again.take() {
            Some(user) => user,
            None => queue.next().await,
        };
        let next = Instant::now() + PACE;
        let (of, id) = user.split_once('/').unwrap_or_default();
        match store.name(of, id).await {
            Ok(name) => {
                failures = 0;
                log.works();
                let is_due = published.elapsed() >= PUBLISH;
                if let Some(answers) = queue.answer(user, name.and_then(plain), is_due) {
                    published = Instant::now();
                    publish(answers.names());
                    log.saved(save(answers, path.clone()).await);
                }
            }
            Err(Failure::Passes(why)) => {
                failures += 1;
                if failures == QUIET_FAILURES {
                    log.fails(&why);
                }
                again = Some(user);
                sleep(RETRIES.wait(failures, None, fastrand::f64())).await;
            }
            Err(Failure::Setup(why)) => {
                log.fails(&why);
                queue.clear();
                sleep(SETUP).await;
                queue.clear();
            }
        }
        sleep_until(next).await;
    }
}

/// What the log has said.
#[derive(Default)]
struct Log {
    fails: bool,
    unsaved: bool,
}

impl Log {
    /// Once, until it works again.
    fn fails(&mut self, why: &str) {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::warn!("names of people cannot be looked up, and log records have none: {why}");
        }
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.fails) {
            tracing::info!("names of people can be looked up again");
        }
    }

    fn saved(&mut self, saved: Result<(), String>) {
        match saved {
            Ok(()) => self.unsaved = false,
            Err(why) if !std::mem::replace(&mut self.unsaved, true) => {
                tracing::warn!("names of people are looked up again after a restart: {why}");
            }
            Err(_) => {}
        }
    }
}

async fn save(answers: Cache, path: PathBuf) -> Result<(), String> {
    let save = move || {
        let cannot = |e| format!("cannot write {}: {e}", path.display());
        answers.save(&path).map_err(cannot)
    };
    let saved = tokio::task::spawn_blocking(save).await;
    saved.unwrap_or_else(|e| Err(e.to_string()))
}

/// A name in one line, of bounded length: people choose their own. `None` if nothing is left.
fn plain(name: String) -> Option<String> {
    let mut name = printable(name.trim());
    let fits = |end: &usize| *end <= NAME_BYTES;
    let ends = name.char_indices().map(|(start, c)| start + c.len_utf8());
    name.truncate(ends.take_while(fits).last().unwrap_or_default());
    (!name.is_empty()).then_some(name)
}
