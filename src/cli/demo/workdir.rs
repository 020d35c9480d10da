//! The demo's directory: the trail, the state, the dead letters.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use globset::GlobSet;

use crate::dead_letter::Line;
use crate::input::directory::{After, Settings, Start};
use qtrail_core::envelope::{self, Item, Limits};
use qtrail_core::event::Event;
use qtrail_sample::Expected;

/// The directory. A temporary one is removed on drop.
pub(super) struct Workdir {
    root: PathBuf,
    temporary: bool,
    files: Vec<(String, Vec<u8>)>,
    /// What the trail holds.
    pub(super) expected: Expected,
}

impl Workdir {
    /// A new directory with this path, or a temporary one, for a trail that ends now.
    ///
    /// # Errors
    /// The directory cannot be created, or is not empty.
    pub(super) fn new(named: Option<&Path>) -> anyhow::Result<Self> {
        // Other ids at each run: two demos that are sent to one store stay apart.
        let (now, seed) = (jiff::Timestamp::now().as_second(), fastrand::u64(..));
        let workdir = Workdir {
            root: match named {
                Some(root) => root.to_owned(),
                None => {
                    std::env::temp_dir().join(format!("qtrail-demo-{:016x}", fastrand::u64(..)))
                }
            },
            temporary: named.is_none(),
            files: qtrail_sample::demo_trail(now, seed),
            expected: qtrail_sample::demo_expected(seed),
        };
        let root = workdir.root.display();
        // Other users of the host cannot read it.
        fs::DirBuilder::new()
            .recursive(!workdir.temporary)
            .mode(0o700)
            .create(&workdir.root)
            .with_context(|| format!("cannot create {root}"))?;
        if fs::read_dir(&workdir.root)?.next().is_some() {
            bail!(
                "{root} is not empty: choose a new directory, so that the demo counts only its own files"
            );
        }
        fs::create_dir(workdir.trail())
            .with_context(|| format!("cannot create a directory in {root}"))?;
        Ok(workdir)
    }

    /// The directory of the log files.
    pub(super) fn trail(&self) -> PathBuf {
        self.root.join("trail")
    }

    /// The settings to watch the trail, with the state of this run.
    pub(super) fn watched(&self, run: &str) -> Settings {
        Settings {
            root: self.trail(),
            include: GlobSet::empty(),
            exclude: GlobSet::empty(),
            settle: Duration::from_millis(200),
            rescan: Duration::from_secs(2),
            poll: false,
            start: Start::Beginning,
            after: After::Keep,
            state: self.root.join(format!("state-{run}")),
            workers: 2,
            once: false,
            idle_files_warning: 1_000,
        }
    }

    /// The path of the dead letters of this run.
    pub(super) fn dead_letters(&self, run: &str) -> PathBuf {
        self.root.join(format!("dead-letters-{run}.jsonl"))
    }

    /// The dead letters of this run.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read_dead_letters(&self, run: &str) -> anyhow::Result<Vec<Line>> {
        let path = self.dead_letters(run);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let lines = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>();
        lines.with_context(|| format!("cannot read {}", path.display()))
    }

    /// How many times each event is in the trail.
    pub(super) fn event_ids(&self) -> BTreeMap<String, usize> {
        let limits = Limits::default();
        let mut ids = BTreeMap::new();
        for (_, file) in &self.files {
            let mut items = envelope::open(file.as_slice(), &limits);
            while let Ok(Some(item)) = items.next() {
                if let Item::Record { bytes, .. } = item
                    && let Ok(event) = Event::parse(bytes, limits.depth)
                    && let Some(id) = event.id()
                {
                    *ids.entry(id.into_owned()).or_default() += 1;
                }
            }
        }
        ids
    }

    /// The content of each file of the trail.
    pub(super) fn contents(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().map(|(_, content)| content.as_slice())
    }

    /// Number of files in the trail.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// Writes these files of the trail; each is renamed into place once complete, as `aws s3 sync` does.
    /// Existing files stay.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn deliver(&self, which: Range<usize>) -> anyhow::Result<()> {
        for (name, bytes) in &self.files[which] {
            let path = self.trail().join(name);
            let temporary = self.root.join("incoming");
            if path.exists() {
                continue;
            }
            let folder = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&temporary, bytes))
                .and_then(|()| fs::rename(&temporary, &path))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        if self.temporary {
            // The system cleans its temporary directory.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_is_removed_and_a_named_one_stays() {
        let outer = tempfile::tempdir().unwrap();
        let named = outer.path().join("a/b");
        let (temporary, kept) = (
            Workdir::new(None).unwrap(),
            Workdir::new(Some(&named)).unwrap(),
        );
        let root = temporary.root.clone();
        temporary.deliver(0..temporary.files()).unwrap();
        assert!(root.is_dir());
        drop((temporary, kept));
        assert!(!root.exists());
        assert!(named.join("trail").is_dir());
    }

    #[test]
    fn a_directory_with_content_is_rejected_and_not_changed() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("mine"), "precious").unwrap();
        let error = Workdir::new(Some(outer.path())).err().unwrap().to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    }
}
