//! What a verification found: region by region, with a bounded number of findings.

use crate::integrity::finding::{Counts, Finding};
use crate::integrity::verify::Event;
use crate::runtime::clock::now;

/// Findings of a verification that are kept. The others are counted.
const KEPT: usize = 10_000;

/// A verification, as far as it is done.
#[derive(Debug)]
pub(crate) struct Verified {
    /// What is verified, as people name it.
    pub(super) source: String,
    /// Tells it apart from other verifications. A repeat of one after a crash has the same.
    pub(super) name: String,
    /// In nanoseconds since 1970.
    pub(super) begun: i64,
    pub(super) regions: Vec<Region>,
    open: Open,
    kept: usize,
}

/// What was found in a region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(super) counts: Counts,
    /// In the order of their times.
    pub(super) findings: Vec<Finding>,
    /// Findings that were not kept.
    pub(super) left_out: u64,
    /// In nanoseconds since 1970.
    pub(super) begun: i64,
    pub(super) ended: i64,
}

/// A region that is not done yet.
#[derive(Debug)]
struct Open {
    findings: Vec<Finding>,
    left_out: u64,
    begun: i64,
}

impl Open {
    fn new() -> Open {
        Open {
            findings: Vec::new(),
            left_out: 0,
            begun: now(),
        }
    }
}

impl Verified {
    /// Nothing yet.
    pub(crate) fn new(source: String, name: String) -> Verified {
        Verified {
            source,
            name,
            begun: now(),
            regions: Vec::new(),
            open: Open::new(),
            kept: 0,
        }
    }

    /// That of a command: each of its runs is a verification of its own.
    pub(crate) fn of_command(source: &str) -> Verified {
        let name = format!("{source} at {}", now());
        Verified::new(source.to_owned(), name)
    }

    /// Names it by what it found, and by what tells it apart otherwise.
    pub(super) fn name_by_content(&mut self, apart: &str) {
        let findings = self.regions.iter().flat_map(|region| &region.findings);
        let mut name = format!("{} {apart}", self.source);
        for finding in findings {
            name += &format!(" {} {:?}", finding.kind.name(), finding.object);
        }
        self.name = name;
    }

    /// Takes what happens in a verification.
    pub(crate) fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Found(finding) if finding.kind.is_usual() => {}
            Event::Found(_) if self.kept >= KEPT => self.open.left_out += 1,
            Event::Found(finding) => {
                self.kept += 1;
                self.open.findings.push((*finding).clone());
            }
            Event::Region(counts) => {
                let open = std::mem::replace(&mut self.open, Open::new());
                self.regions.push(Region {
                    counts: (*counts).clone(),
                    findings: open.findings,
                    left_out: open.left_out,
                    begun: open.begun,
                    ended: now(),
                });
            }
            Event::Read(_) => {}
        }
    }

    /// Adds a finding to the region that was taken last, or to the one of the finding, with this folder.
    pub(super) fn add(&mut self, finding: Finding, folder: &str) {
        if self.regions.is_empty() {
            let counts = Counts {
                account: finding.account.clone(),
                region: finding.region.clone(),
                folder: folder.to_owned(),
                ..Counts::default()
            };
            let time = now();
            self.regions.push(Region {
                counts,
                findings: Vec::new(),
                left_out: 0,
                begun: time,
                ended: time,
            });
        }
        if let Some(region) = self.regions.last_mut() {
            *region.counts.findings.entry(finding.kind).or_default() += 1;
            region.findings.push(finding);
        }
    }

    /// Whether there was nothing to verify.
    pub(crate) fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Findings that are failures, over all regions.
    pub(crate) fn failures(&self) -> u64 {
        let regions = self.regions.iter();
        regions.map(|region| region.counts.failures()).sum()
    }
}

impl Region {
    /// The folder of its account, and its name.
    pub(super) fn id(&self) -> (String, String) {
        (self.counts.folder.clone(), self.counts.region.clone())
    }

    /// Drops findings that are not wanted, as if they had not been made.
    pub(super) fn retain(&mut self, mut is_wanted: impl FnMut(&Finding) -> bool) {
        let counts = &mut self.counts.findings;
        self.findings.retain(|finding| {
            let is_wanted = is_wanted(finding);
            if let (false, Some(count)) = (is_wanted, counts.get_mut(&finding.kind)) {
                *count -= 1;
            }
            is_wanted
        });
        counts.retain(|_, count| *count > 0);
    }
}
