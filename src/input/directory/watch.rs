//! Hearing of changes.
//!
//! Enters: notifications of the operating system. Leaves: [`Signal`]s about paths below the root.
//! What must hold: a lost notification leads to a walk; where notifications cannot work, the log
//! says what to mend and walks take their place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::file_id::{FileId, Stat, shown};
use super::writers::Writers;

/// Signals that wait to be heard; of more, only that they came is remembered.
const SIGNALS: usize = 65_536;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    /// A file's writer closed it.
    Closed(PathBuf),
    /// A file got its name: it was renamed in, or from another name below the root.
    Renamed { from: Option<PathBuf>, to: PathBuf },
    /// A file was written to.
    Written(PathBuf),
    /// A file is new.
    Created(PathBuf),
    /// A file changed otherwise.
    Changed(PathBuf),
    /// A folder appeared, perhaps with files in it.
    Folder(PathBuf),
    /// Notifications were lost: look at everything.
    Walk,
    /// From now on there may be changes without notifications.
    Failed,
}

/// A directory that is being watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// Which directory it is: another one may take its name.
    pub(super) root: FileId,
    signals: mpsc::Receiver<Signal>,
    lost: Arc<AtomicBool>,
    watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Starts to watch `root` and all below it, and tells `writers` of each file, if that is asked for. Takes
    /// as long as listing the folders.
    ///
    /// # Errors
    /// The root cannot be looked at.
    pub(super) fn start(
        root: &Path,
        poll: bool,
        writers: Option<Arc<Writers>>,
    ) -> io::Result<Watch> {
        if let Some(writers) = &writers {
            writers.lost();
        }
        let id = Stat::of(&root.metadata()?).id;
        let (sender, signals) = mpsc::channel(SIGNALS);
        let lost = Arc::new(AtomicBool::new(false));
        let watcher = if poll {
            None
        } else if let Some(kind) = network(root) {
            tracing::info!(
                "{} is on {kind}, which tells nothing of changes by others: listing it instead",
                shown(root)
            );
            None
        } else {
            // Notifications name the real path.
            let root = root.canonicalize()?;
            let handler = Handler {
                root: root.clone(),
                sender,
                lost: Arc::clone(&lost),
                lost_name: None,
                writers,
            };
            watcher(&root, handler)
        };
        Ok(Watch {
            root: id,
            signals,
            lost,
            watcher,
        })
    }

    /// Whether walks have to take the place of notifications.
    pub(super) fn polls(&self) -> bool {
        self.watcher.is_none()
    }

    /// The next signal; never, where there are none.
    pub(super) async fn next(&mut self) -> Signal {
        if self.lost.swap(false, Ordering::AcqRel) {
            return Signal::Walk;
        }
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

fn watcher(root: &Path, mut handler: Handler) -> Option<RecommendedWatcher> {
    let config = notify::Config::default().with_follow_symlinks(false);
    let started = RecommendedWatcher::new(move |event| handler.on_event(event), config).and_then(
        |mut watcher| {
            watcher.watch(root, RecursiveMode::Recursive)?;
            Ok(watcher)
        },
    );
    match started {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            warn(&error, root);
            None
        }
    }
}

/// Says what is wrong, and what to mend.
fn warn(error: &notify::Error, root: &Path) {
    let remedy = match &error.kind {
        ErrorKind::MaxFilesWatch => "raise fs.inotify.max_user_watches",
        // EMFILE: no inotify instance is left.
        ErrorKind::Io(e) if e.raw_os_error() == Some(24) => "raise fs.inotify.max_user_instances",
        // ENOSPC: no inotify watch is left.
        ErrorKind::Io(e) if e.raw_os_error() == Some(28) => "raise fs.inotify.max_user_watches",
        _ => "set poll: true to silence this",
    };
    tracing::warn!(
        "not every change below {} is notified ({error}): listing it every `settle` instead; {remedy}",
        shown(root)
    );
}

/// Runs on the watcher's own thread.
struct Handler {
    root: PathBuf,
    sender: mpsc::Sender<Signal>,
    lost: Arc<AtomicBool>,
    /// The name that a file has lost; the next notification may say which it got.
    lost_name: LostName,
    writers: Option<Arc<Writers>>,
}

/// What belongs together has the same number.
type LostName = Option<(Option<usize>, PathBuf)>;

impl Handler {
    fn on_event(&mut self, event: notify::Result<notify::Event>) {
        let signal = match event {
            Ok(event) => signal(&self.root, &event, &mut self.lost_name),
            Err(error) => {
                warn(&error, &self.root);
                Some(Signal::Failed)
            }
        };
        let signal = match signal {
            Some(Signal::Closed(path) | Signal::Renamed { to: path, .. })
                if self.root.join(&path).is_dir() =>
            {
                Signal::Folder(path)
            }
            Some(signal) => signal,
            None => return,
        };
        if let Some(writers) = &self.writers {
            notify_writers(writers, &signal);
        }
        if self.sender.try_send(signal).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }
}

/// On the watcher's thread, where nothing is left out between two notifications.
fn notify_writers(writers: &Writers, signal: &Signal) {
    match signal {
        Signal::Closed(path) => writers.closed(path),
        Signal::Renamed { from, to } => writers.renamed(from.as_deref(), to),
        Signal::Written(path) => writers.written(path),
        Signal::Created(path) => writers.created(path),
        Signal::Folder(path) => writers.folder(path),
        Signal::Changed(_) => {}
        Signal::Walk | Signal::Failed => writers.lost(),
    }
}

/// What a notification means.
fn signal(root: &Path, event: &notify::Event, lost_name: &mut LostName) -> Option<Signal> {
    if event.need_rescan() {
        return Some(Signal::Walk);
    }
    let below = event.paths.last()?.strip_prefix(root).ok()?.to_owned();
    let is_root = below.as_os_str().is_empty();
    match event.kind {
        EventKind::Remove(_) => is_root.then_some(Signal::Walk),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
            *lost_name = Some((event.tracker(), below));
            is_root.then_some(Signal::Walk)
        }
        _ if is_root => None,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Signal::Closed(below)),
        EventKind::Access(_) => None,
        EventKind::Create(CreateKind::Folder) => Some(Signal::Folder(below)),
        // The two before have told it.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(ModifyKind::Name(_)) => {
            let from = lost_name.take();
            let from = from.filter(|(number, _)| *number == event.tracker());
            Some(Signal::Renamed {
                from: from.map(|(_, from)| from),
                to: below,
            })
        }
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => Some(Signal::Written(below)),
        EventKind::Create(_) => Some(Signal::Created(below)),
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => Some(Signal::Changed(below)),
    }
}

/// The kind of a file system that does not notify of changes made elsewhere.
#[cfg(target_os = "linux")]
pub(super) fn network(root: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(root).ok()?.f_type;
    network_kind(u32::try_from(i128::from(kind) & 0xffff_ffff).ok()?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn network(_root: &Path) -> Option<&'static str> {
    None
}

/// By the magic numbers of statfs(2).
#[cfg(target_os = "linux")]
fn network_kind(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9p",
        0x00c3_6400 => "Ceph",
        0x5346_414f => "AFS",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x786f_4256 => "a shared folder of VirtualBox",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, MetadataKind, RemoveKind};

    use super::*;

    #[test]
    fn notifications_become_signals() {
        let root = Path::new("/r");
        let a = || PathBuf::from("a");
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        let cases = [
            (close(AccessMode::Write), "/r/a", Some(Signal::Closed(a()))),
            (close(AccessMode::Read), "/r/a", None),
            (
                EventKind::Access(AccessKind::Open(AccessMode::Any)),
                "/r/a",
                None,
            ),
            (
                name(RenameMode::To),
                "/r/a",
                Some(Signal::Renamed {
                    from: None,
                    to: a(),
                }),
            ),
            (name(RenameMode::Both), "/r/a", None),
            (name(RenameMode::From), "/r/a", None),
            (name(RenameMode::From), "/r", Some(Signal::Walk)),
            (
                EventKind::Create(CreateKind::File),
                "/r/a",
                Some(Signal::Created(a())),
            ),
            (
                EventKind::Create(CreateKind::Folder),
                "/r/a",
                Some(Signal::Folder(a())),
            ),
            (
                EventKind::Modify(ModifyKind::Data(DataChange::Any)),
                "/r/a",
                Some(Signal::Written(a())),
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                "/r/a",
                Some(Signal::Changed(a())),
            ),
            (EventKind::Remove(RemoveKind::File), "/r/a", None),
            (
                EventKind::Remove(RemoveKind::Folder),
                "/r",
                Some(Signal::Walk),
            ),
            (EventKind::Any, "/r", None),
            (EventKind::Any, "/elsewhere", None),
        ];
        for (kind, path, expected) in cases {
            let event = notify::Event::new(kind).add_path(PathBuf::from(path));
            assert_eq!(signal(root, &event, &mut None), expected, "{event:?}");
        }
        let lost = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(signal(root, &lost, &mut None), Some(Signal::Walk));
    }

    #[test]
    fn a_name_that_was_got_is_told_with_the_one_that_was_lost() {
        let mut lost_name = None;
        let mut rename = |mode, path: &str, number| {
            let event = notify::Event::new(EventKind::Modify(ModifyKind::Name(mode)));
            let event = event.add_path(PathBuf::from(path)).set_tracker(number);
            signal(Path::new("/r"), &event, &mut lost_name)
        };
        let renamed = |from: Option<&str>, to: &str| {
            Some(Signal::Renamed {
                from: from.map(PathBuf::from),
                to: PathBuf::from(to),
            })
        };
        assert_eq!(rename(RenameMode::From, "/r/a", 1), None);
        assert_eq!(rename(RenameMode::To, "/r/b", 1), renamed(Some("a"), "b"));
        assert_eq!(rename(RenameMode::From, "/r/c", 2), None, "moved out");
        assert_eq!(rename(RenameMode::To, "/r/d", 3), renamed(None, "d"));
        assert_eq!(rename(RenameMode::To, "/r/e", 4), renamed(None, "e"));
    }

    #[tokio::test]
    async fn more_notifications_than_can_wait_lead_to_a_walk() {
        let (sender, signals) = mpsc::channel(1);
        let lost = Arc::new(AtomicBool::new(false));
        let mut handler = Handler {
            root: PathBuf::from("/r"),
            sender,
            lost: Arc::clone(&lost),
            lost_name: None,
            writers: None,
        };
        for name in ["/r/a", "/r/b"] {
            let event = notify::Event::new(EventKind::Any).add_path(PathBuf::from(name));
            handler.on_event(Ok(event));
        }
        let root = FileId { dev: 0, ino: 0 };
        let mut watch = Watch {
            root,
            signals,
            lost,
            watcher: None,
        };
        assert_eq!(watch.next().await, Signal::Walk);
        assert_eq!(watch.next().await, Signal::Changed(PathBuf::from("a")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_are_known() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0x6573_5546), Some("FUSE"));
        assert_eq!(network_kind(0xef53), None, "ext4");
    }
}
