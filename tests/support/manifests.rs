//! The manifest records that a collector accepted, and whether they agree with a trail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use sha2::{Digest as _, Sha256};

use super::program::gunzip;

/// A manifest record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The trace and the span id.
    pub ids: (Vec<u8>, Vec<u8>),
    texts: BTreeMap<String, String>,
    numbers: BTreeMap<String, u64>,
}

impl Manifest {
    /// A manifest record, if this is one.
    pub fn of(record: &LogRecord) -> Option<Manifest> {
        if record.event_name != "qtrail.manifest" {
            return None;
        }
        let (mut texts, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        for attribute in &record.attributes {
            let name = attribute.key.strip_prefix("qtrail.manifest.").unwrap();
            match attribute.value.clone().unwrap().value.unwrap() {
                Value::StringValue(text) => drop(texts.insert(name.to_owned(), text)),
                Value::IntValue(n) => drop(numbers.insert(name.to_owned(), n.try_into().unwrap())),
                other => panic!("{name}: {other:?}"),
            }
        }
        Some(Manifest {
            ids: (record.trace_id.clone(), record.span_id.clone()),
            texts,
            numbers,
        })
    }

    /// An attribute that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// An attribute that is a number; 0 if there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.numbers.get(name).copied().unwrap_or_default()
    }

    /// The path or the URL.
    pub fn object(&self) -> &str {
        self.text("object").unwrap()
    }

    /// Whether it is that of a part of a file.
    pub fn is_part(&self) -> bool {
        self.numbers.contains_key("offset")
    }

    fn end(&self) -> u64 {
        self.number("offset") + self.number("inflated_size")
    }

    /// Whether each of its records is counted once.
    pub fn balances(&self) -> bool {
        let parts = ["exported", "filtered", "duplicate", "dead_lettered"];
        let sum: u64 = parts.iter().map(|name| self.number(name)).sum();
        self.number("read") == sum
    }
}

/// All of them, in their order.
pub fn all(requests: &[ExportLogsServiceRequest]) -> Vec<Manifest> {
    let scopes = requests.iter().flat_map(|r| &r.resource_logs);
    let records = scopes
        .flat_map(|r| &r.scope_logs)
        .flat_map(|s| &s.log_records);
    records.filter_map(Manifest::of).collect()
}

/// Those that count, where files were read again after a kill: of each name and hash, and of the parts of a growing file,
/// those that cover it without a gap.
pub fn distinct(all: &[Manifest]) -> Vec<&Manifest> {
    let mut by_name: BTreeMap<&str, Vec<&Manifest>> = BTreeMap::new();
    for manifest in all {
        assert!(manifest.balances(), "{manifest:?}");
        by_name.entry(manifest.object()).or_default().push(manifest);
    }
    let mut counted = Vec::new();
    for (name, manifests) in by_name {
        if !manifests.iter().any(|m| m.is_part()) {
            let hashes: BTreeSet<_> = manifests.iter().map(|m| m.text("sha256")).collect();
            counted.extend(hashes.iter().map(|hash| {
                let mut same = manifests.iter().filter(|m| m.text("sha256") == *hash);
                *same.next().unwrap()
            }));
            continue;
        }
        let (mut at, end) = (0, manifests.iter().map(|m| m.end()).max().unwrap());
        while at < end {
            let here = manifests.iter().filter(|m| m.number("offset") == at);
            let longest = here.max_by_key(|m| m.end());
            let longest = longest.unwrap_or_else(|| panic!("{name} has no part at {at}"));
            counted.push(*longest);
            at = longest.end();
        }
    }
    counted
}

/// Each file below a folder has manifest records of all of its bytes.
pub fn cover(all: &[Manifest], files: &[std::path::PathBuf]) {
    let counted = distinct(all);
    for file in files {
        let bytes = inflated(file);
        let of_it = |m: &&&Manifest| Path::new(m.object()) == file;
        let parts: Vec<_> = counted.iter().filter(of_it).collect();
        if parts.iter().any(|m| m.is_part()) {
            let end = parts.iter().map(|m| m.end()).max();
            assert_eq!(end, Some(bytes.len() as u64), "{}", file.display());
            for part in parts {
                let hash = sha256(&bytes[part.number("offset") as usize..part.end() as usize]);
                assert_eq!(part.text("sha256"), Some(&*hash), "{part:?}");
            }
            continue;
        }
        let hash = sha256(&bytes);
        let has = parts.iter().any(|m| m.text("sha256") == Some(&hash));
        assert!(has, "{} has no manifest of its bytes", file.display());
    }
}

/// What a file holds, whether it is compressed or not.
fn inflated(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => gunzip(&bytes),
        false => bytes,
    }
}

/// As it stands in a digest.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
