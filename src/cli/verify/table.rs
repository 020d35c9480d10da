//! The result for a terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Output;
use crate::cli::count;
use crate::cli::report::text::{Paint, line, padded, wrapped};
use crate::integrity::finding::{Counts, Finding, Kind};
use crate::integrity::rfc3339;
use crate::telemetry::printable::printable;

/// Findings of one kind that are listed for a region.
const LISTED: u64 = 20;

/// The table.
pub(super) struct Table<W> {
    out: W,
    paint: Paint,
    /// The region of the last finding, and how many of each kind it had.
    region: (String, String),
    found: BTreeMap<Kind, u64>,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W, paint: Paint) -> Self {
        Table {
            out,
            paint,
            region: Default::default(),
            found: BTreeMap::new(),
        }
    }

    /// Says how many findings of the last region were not listed.
    fn omitted(&mut self) -> io::Result<()> {
        let (account, region) = &self.region;
        let place = printable(&format!("{account} {region}"));
        for (kind, found) in std::mem::take(&mut self.found) {
            if found > LISTED {
                let (name, more) = (kind.name(), found - LISTED);
                writeln!(self.out, "{name}: {more} more in {}", place.trim())?;
                writeln!(self.out, "  --format json lists all")?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Output for Table<W> {
    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let region = (finding.account.clone(), finding.region.clone());
        if region != self.region {
            self.omitted()?;
            self.region = region;
        }
        let found = self.found.entry(finding.kind).or_default();
        *found += 1;
        if *found > LISTED && finding.kind.is_failure() {
            return Ok(());
        }
        let mut text = String::new();
        let name = finding.kind.name();
        let name = match finding.kind.is_failure() {
            true => self.paint.red(name),
            false => self.paint.bold(name),
        };
        line(&mut text, &name);
        wrapped(&mut text, 2, &printable(&finding.object));
        wrapped(&mut text, 4, &printable(&finding.message));
        self.out.write_all(text.as_bytes())
    }

    fn end(&mut self, regions: &[Counts], is_verified: bool) -> io::Result<()> {
        self.omitted()?;
        let mut text = String::new();
        if !regions.is_empty() {
            let row = ["DIGESTS", "LOG FILES", "NOT YET", "FINDINGS"].map(str::to_owned);
            text.push('\n');
            line(
                &mut text,
                &self.paint.bold(&cells("ACCOUNT", "REGION", &row)),
            );
        }
        for region in regions {
            let numbers = [
                region.digests,
                region.log_files,
                region.not_yet,
                region.failures(),
            ];
            let numbers = numbers.map(|number| number.to_string());
            line(&mut text, &cells(&region.account, &region.region, &numbers));
            if let Some((from, to)) = region.covered {
                line(
                    &mut text,
                    &format!("  {} to {}", rfc3339(from), rfc3339(to)),
                );
            }
        }
        let sum = |of: fn(&Counts) -> u64| regions.iter().map(of).sum::<u64>();
        let verified = format!(
            "{} and {}",
            count(sum(|region| region.digests), "digest"),
            count(sum(|region| region.log_files), "log file")
        );
        let result = match is_verified {
            true => format!("All is verified: {verified}."),
            false => format!(
                "NOT all is verified: {}; {verified} are.",
                count(sum(Counts::failures), "finding")
            ),
        };
        text.push('\n');
        wrapped(&mut text, 0, &result);
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// A row: `111122223333  us-east-1`, then numbers.
fn cells(account: &str, region: &str, numbers: &[String; 4]) -> String {
    let cut = crate::cli::report::text::cut;
    let mut row = format!(
        "{}  {}",
        padded(&cut(account, 12), 12),
        padded(&cut(region, 15), 15)
    );
    for number in numbers {
        row.push_str(&format!("  {number:>10}"));
    }
    row
}
