//! Lists folders, several at once, and writes wanted files to the plan.
//!
//! Enters: the root. Leaves: the wanted files, in the plan and counted. What must hold: memory does
//! not grow with the number of files; files that are left out are counted, with examples; a folder that cannot be
//! listed is logged, and the others are listed.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::days::day_of;
use super::layout::Layout;
use super::plan::{Entry, Met};
use super::retry::{Retry, Tries};
use super::source::{self, Found, Page, Root, Source};
use super::{Backfill, Error, Listed, Status};

/// The number of files per write to the plan.
const BATCH: usize = 4096;
/// The most pages that wait.
const PAGES: usize = 32;

/// What was asked for.
pub(super) async fn root<S: Source>(source: &S, retry: &Retry) -> Result<Root, source::Error> {
    let mut tries = Tries::default();
    loop {
        match source.root(&Status::default()).await {
            Ok(root) => return Ok(root),
            Err(error) => {
                if !retry.again(&mut tries, &source.name(b""), &error).await {
                    return Err(error);
                }
            }
        }
    }
}

/// Lists all wanted files below the root.
pub(super) async fn run<S: Source>(
    backfill: &Backfill<S>,
    root: Root,
    layout: Arc<Layout>,
) -> Result<Listed, Error> {
    let mut gathering = Gathering {
        backfill,
        layout,
        listed: Listed::default(),
        batch: Vec::new(),
        pending: root.folder.into_iter().collect(),
    };
    let first = gathering.pending.clone();
    gathering.files(root.files).await?;
    let (pages_in, mut pages) = mpsc::channel::<Page>(PAGES);
    let mut under_way = JoinSet::new();
    loop {
        let stopped = backfill.retry.stop.is_cancelled();
        while !stopped && under_way.len() < S::LISTERS {
            // The newest first, so that few folders wait.
            let Some(folder) = gathering.pending.pop() else {
                break;
            };
            let work = folder_pages(
                Arc::clone(&backfill.source),
                Arc::clone(&backfill.status),
                Arc::clone(&backfill.retry),
                folder.clone(),
                pages_in.clone(),
            );
            under_way.spawn(async move { (folder, work.await) });
        }
        if under_way.is_empty() {
            match pages.try_recv() {
                Ok(page) => gathering.page(page).await?,
                Err(_) => break,
            }
            continue;
        }
        tokio::select! {
            Some(page) = pages.recv() => gathering.page(page).await?,
            Some(joined) = under_way.join_next() => match joined {
                Ok((_, Ok(()))) => {}
                Ok((folder, Err(error))) => gathering.unlisted(&folder, &error, &first)?,
                Err(error) => {
                    gathering.listed.unlisted += 1;
                    tracing::error!("a listing ended: {error}");
                }
            },
        }
    }
    gathering.write().await?;
    gathering.listed.stopped = backfill.retry.stop.is_cancelled();
    Ok(gathering.listed)
}

/// All pages of one folder.
async fn folder_pages<S: Source>(
    source: Arc<S>,
    status: Arc<Status>,
    retry: Arc<Retry>,
    folder: Vec<u8>,
    pages: mpsc::Sender<Page>,
) -> Result<(), source::Error> {
    let (mut token, mut tries) = (None, Tries::default());
    while !retry.stop.is_cancelled() {
        let mut page = match source.page(&folder, token.clone(), &status).await {
            Ok(page) => page,
            Err(error) => {
                let name = source.name(&folder);
                if !retry.again(&mut tries, &name, &error).await {
                    return Err(error);
                }
                continue;
            }
        };
        retry.went_well();
        tries = Tries::default();
        token = page.next.take();
        let rest = page.rest.take();
        // The receiver has ended, because files of another folder could not be written.
        if pages.send(page).await.is_err() {
            return Ok(());
        }
        if let Some(mut rest) = rest {
            while let Some(page) = rest.recv().await {
                if retry.stop.is_cancelled() || pages.send(page?).await.is_err() {
                    return Ok(());
                }
            }
        }
        if token.is_none() {
            break;
        }
    }
    Ok(())
}

/// A wanted file.
struct File {
    entry: Entry,
    /// Account and region, if the key has them.
    owner: (String, String),
}

impl Borrow<Entry> for File {
    fn borrow(&self) -> &Entry {
        &self.entry
    }
}

struct Gathering<'a, S> {
    backfill: &'a Backfill<S>,
    layout: Arc<Layout>,
    listed: Listed,
    /// Files to write to the plan.
    batch: Vec<File>,
    /// Folders to list.
    pending: Vec<Vec<u8>>,
}

impl<S: Source> Gathering<'_, S> {
    async fn page(&mut self, page: Page) -> Result<(), Error> {
        for folder in page.folders {
            match self.layout.enters(&String::from_utf8_lossy(&folder)) {
                Ok(()) => self.pending.push(folder),
                Err(why) => {
                    let name = || self.backfill.source.name(&folder);
                    self.listed.left_out.folder(why, name);
                }
            }
        }
        for (why, key) in page.left_out {
            let name = || self.backfill.source.name(&key);
            self.listed.left_out.file(why, name);
        }
        self.files(page.files).await
    }

    async fn files(&mut self, files: Vec<Found>) -> Result<(), Error> {
        for file in files {
            let path = String::from_utf8_lossy(&file.key);
            match self.layout.chooses(&path, file.modified) {
                Err(why) => {
                    let name = || self.backfill.source.name(&file.key);
                    self.listed.left_out.file(why, name);
                }
                Ok(chosen) => self.batch.push(File {
                    owner: (
                        chosen.account.unwrap_or_default(),
                        chosen.region.unwrap_or_default(),
                    ),
                    entry: Entry {
                        position: (chosen.time, file.key),
                        bytes: file.bytes,
                        identity: file.identity,
                    },
                }),
            }
        }
        if self.batch.len() >= BATCH {
            self.write().await?;
        }
        Ok(())
    }

    /// Writes the batch to the plan, and counts it.
    async fn write(&mut self) -> Result<(), Error> {
        let files = std::mem::take(&mut self.batch);
        if files.is_empty() {
            return Ok(());
        }
        let (plan, listing) = (self.backfill.plan.clone(), self.backfill.listing);
        let written = tokio::task::spawn_blocking(move || match (plan, listing) {
            (Some(plan), Some(listing)) => plan.found(listing, files),
            (Some(plan), None) => plan.look(files),
            (None, _) => Ok(files.into_iter().map(|file| (file, Met::Left)).collect()),
        });
        let met = written.await.map_err(|error| Error::Source {
            name: self.backfill.source.name(b""),
            message: error.to_string(),
        })??;
        for (file, met) in met {
            self.count(file, met);
        }
        Ok(())
    }

    fn count(&mut self, file: File, met: Met) {
        let (listed, entry) = (&mut self.listed, file.entry);
        let time = entry.position.0;
        match met {
            Met::Again => return,
            Met::Done => listed.done.add(entry.bytes),
            Met::Left => {
                listed.left.add(entry.bytes);
                listed.oldest = Some(listed.oldest.map_or(time, |oldest| oldest.min(time)));
                listed.newest = Some(listed.newest.map_or(time, |newest| newest.max(time)));
                listed
                    .days
                    .entry(day_of(time))
                    .or_default()
                    .add(entry.bytes);
                listed
                    .owners
                    .entry(file.owner)
                    .or_default()
                    .add(entry.bytes);
            }
        }
        self.backfill.status.found.fetch_add(1, Ordering::Relaxed);
    }

    /// Handles a folder that could not be listed. If it is the root, the backfill fails.
    fn unlisted(
        &mut self,
        folder: &[u8],
        error: &source::Error,
        first: &[Vec<u8>],
    ) -> Result<(), Error> {
        let name = self.backfill.source.name(folder);
        if self.backfill.retry.stop.is_cancelled() {
            return Ok(());
        }
        if first.iter().any(|first| first == folder) {
            return Err(Error::Source {
                name,
                message: error.to_string(),
            });
        }
        tracing::error!("{name} cannot be listed: {error}");
        self.listed.unlisted += 1;
        Ok(())
    }
}
