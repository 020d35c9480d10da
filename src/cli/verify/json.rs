//! The result as one JSON object, in the shape that `docs/proof.md` documents.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::Output;
use crate::input::backfill::Named;
use crate::integrity::coverage::Range;
use crate::integrity::finding::{Counts, Finding};
use crate::integrity::rfc3339;

/// The version of the shape: it changes when a field changes its meaning or goes away.
const FORMAT: u32 = 1;

/// The object, finding by finding.
pub(super) struct Json<W> {
    out: W,
    /// What stands before the next finding.
    before: String,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W, source: &Named, range: Range) -> Self {
        let source = match source {
            Named::Path(path) => path.to_string_lossy().into_owned(),
            Named::Bucket { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        };
        let (from, to) = (range.from.map(rfc3339), range.to.map(rfc3339));
        let head = json!({"format": FORMAT, "source": source, "from": from, "to": to}).to_string();
        let head = head.trim_end_matches('}');
        Json {
            out,
            before: format!("{head},\n\"findings\":[\n"),
        }
    }
}

impl<W: Write> Output for Json<W> {
    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let line = json!({
            "kind": finding.kind.name(),
            "failure": finding.kind.is_failure(),
            "object": finding.object,
            "account": finding.account,
            "region": finding.region,
            "count": finding.count,
            "message": finding.message,
        });
        let before = std::mem::replace(&mut self.before, ",\n".to_owned());
        write!(self.out, "{before}{line}")
    }

    fn end(&mut self, regions: &[Counts], is_verified: bool) -> io::Result<()> {
        if self.before != ",\n" {
            self.out.write_all(self.before.as_bytes())?;
        }
        let regions: Vec<Value> = regions.iter().map(region).collect();
        writeln!(
            self.out,
            "],\n\"regions\":{},\n\"verified\":{is_verified}}}",
            Value::from(regions)
        )?;
        self.out.flush()
    }
}

fn region(counts: &Counts) -> Value {
    let kinds = counts.findings.iter();
    let kinds: Map<_, _> = kinds
        .map(|(kind, count)| (kind.name().to_owned(), json!(count)))
        .collect();
    json!({
        "account": counts.account,
        "region": counts.region,
        "folder": counts.folder,
        "digests": counts.digests,
        "log_files": counts.log_files,
        "not_yet": counts.not_yet,
        "covered_from": counts.covered.map(|(from, _)| rfc3339(from)),
        "covered_to": counts.covered.map(|(_, to)| rfc3339(to)),
        "findings": kinds,
    })
}
