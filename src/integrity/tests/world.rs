//! A bucket with log files and signed digests, written by the tests' own code.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::integrity::coverage::Range;
use crate::integrity::finding::{Counts, Finding};
use crate::integrity::keys::{KnownKeys, PublicKey};
use crate::integrity::names::time_of;
use crate::integrity::source::{Bytes, Error, Listed, OpenedDigest, Source};
use crate::integrity::verify::{Event, Only, Verification};

pub(super) const HOUR: i64 = 3600;
const BUCKET: &str = "the-bucket";
const REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "us-gov-west-1"];

/// Keys of the tests' own, made once.
pub(super) fn key(index: usize) -> &'static KeyPair {
    static KEYS: OnceLock<Vec<KeyPair>> = OnceLock::new();
    let make = || KeyPair::generate(KeySize::Rsa2048).unwrap();
    &KEYS.get_or_init(|| (0..3).map(|_| make()).collect())[index]
}

pub(super) fn sign(key: &KeyPair, text: &str) -> String {
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .unwrap();
    hex::encode(signature)
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(bytes), &mut out).unwrap();
    out
}

fn stamp(time: i64, format: &str) -> String {
    Timestamp::from_second(time)
        .unwrap()
        .strftime(format)
        .to_string()
}

/// A digest that was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) key: String,
    pub(super) region: usize,
    pub(super) end: i64,
    pub(super) logs: Vec<String>,
}

/// A bucket.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// What the keys of the bucket have before those of the copy; a bucket itself, if it is none.
    pub(super) copied_from: Option<String>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Signatures beside digests, by key.
    pub(super) signatures: BTreeMap<String, String>,
    /// By region, then by time.
    pub(super) digests: Vec<Written>,
    /// Keys that are known, by their numbers.
    pub(super) known: Vec<usize>,
    pub(super) first: i64,
    pub(super) end: i64,
    /// Log files that no digest names yet.
    pub(super) not_yet: u64,
    base: String,
    pub(super) changes_key_at: i64,
}

/// How a world is made.
pub(super) struct Plan {
    pub(super) hours: i64,
    /// The trail may be stopped, and log files may be late.
    pub(super) eventful: bool,
}

impl World {
    pub(super) fn new(random: &mut Rng, plan: &Plan) -> World {
        // Midnight, the end of a month, of a year, and of a February are near.
        let day = ["2026-11-01", "2027-01-01", "2028-03-01", "2026-06-15"][random.usize(..4)];
        let near: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        let first = near.as_second() - random.i64(0..plan.hours) * HOUR + random.i64(0..HOUR);
        let inside = ["", "logs/", "AWSLogs/o-a1b2c3d4e5/", "a/b/c/AWSLogs/"][random.usize(..4)];
        let (copied_from, base) = match random.bool() {
            true => (None, format!("{inside}AWSLogs/111122223333/")),
            false => (Some(inside.to_owned()), "AWSLogs/111122223333/".to_owned()),
        };
        let mut world = World {
            copied_from,
            files: BTreeMap::new(),
            signatures: BTreeMap::new(),
            digests: Vec::new(),
            known: vec![0, 1],
            first,
            end: first + plan.hours * HOUR,
            not_yet: 0,
            base,
            changes_key_at: first + random.i64(0..plan.hours + 1) * HOUR,
        };
        let regions = random.usize(1..REGIONS.len() + 1);
        (0..regions).for_each(|region| world.region(region, random, plan));
        world
    }

    /// Writes a region's digests and log files.
    fn region(&mut self, region: usize, random: &mut Rng, plan: &Plan) {
        let mut before = None;
        let mut hour = match plan.eventful {
            // The region was turned on later.
            true => random.i64(0..plan.hours.min(3)),
            false => 0,
        };
        while hour < plan.hours {
            let start = self.first + hour * HOUR;
            let logs: Vec<_> = (0..random.i64(0..4))
                .map(|_| self.log(region, start + random.i64(0..HOUR), random))
                .collect();
            let (written, next) = self.digest(region, start, start + HOUR, &logs, before, false);
            let is_late = plan.eventful && random.u8(..8) == 0;
            if is_late {
                let late = [self.log(region, start + random.i64(0..HOUR), random)];
                let (late, signed) = self.digest(region, start, start + HOUR, &late, None, true);
                self.signatures.insert(late.key.clone(), signature(&signed));
                self.digests.push(late);
            }
            let is_stopped = plan.eventful && random.u8(..8) == 0;
            let is_last = is_stopped || hour + 1 == plan.hours;
            if self.copied_from.is_none() || is_last {
                let signature = signature(&next);
                self.signatures.insert(written.key.clone(), signature);
            }
            self.digests.push(written);
            before = (!is_stopped).then_some(next);
            hour += if is_stopped && hour + 4 < plan.hours {
                1 + random.i64(1..3)
            } else {
                1
            };
            if is_last && hour >= plan.hours {
                for _ in 0..random.i64(0..3) {
                    self.log(region, start + HOUR + random.i64(0..HOUR), random);
                    self.not_yet += 1;
                }
            }
        }
    }

    /// Writes a log file. What a digest says about it.
    pub(super) fn log(&mut self, region: usize, time: i64, random: &mut Rng) -> Value {
        // Names have whole minutes. None is before the first digest by that.
        let minute = time.div_euclid(60) * 60;
        let time = match (self.first - 60..self.first).contains(&minute) {
            true => minute + 60,
            false => minute,
        };
        let name: String = (0..16).map(|_| random.alphanumeric()).collect();
        let (day, at) = (stamp(time, "%Y/%m/%d"), stamp(time, "%Y%m%dT%H%MZ"));
        let region = REGIONS[region];
        let name = format!("111122223333_CloudTrail_{region}_{at}_{name}.json.gz");
        let key = format!("{}CloudTrail/{region}/{day}/{name}", self.base);
        let content = format!("{{\"Records\":[{{\"eventID\":\"{name}\"}}]}}");
        self.files.insert(key.clone(), gzip(content.as_bytes()));
        json!({
            "s3Bucket": BUCKET, "s3Object": self.object(&key), "hashAlgorithm": "SHA-256",
            "hashValue": hex::encode(Sha256::digest(content)),
            "newestEventTime": "2026-01-01T00:00:00Z", "oldestEventTime": "2026-01-01T00:00:00Z",
        })
    }

    /// Writes a digest. What the next one says about it.
    pub(super) fn digest(
        &mut self,
        region: usize,
        start: i64,
        end: i64,
        logs: &[Value],
        before: Option<Value>,
        backfill: bool,
    ) -> (Written, Value) {
        let name = REGIONS[region];
        let (day, at) = (stamp(end, "%Y/%m/%d"), stamp(end, "%Y%m%dT%H%M%SZ"));
        let suffix = if backfill { "_backfill" } else { "" };
        let path = format!(
            "{}CloudTrail-Digest/{name}/{day}/111122223333_CloudTrail-Digest_{name}_t_1_us-east-1_{at}{suffix}.json.gz",
            self.base
        );
        let signer = usize::from(backfill || end > self.changes_key_at);
        let before = before.unwrap_or_else(|| json!({}));
        let text = |time| stamp(time, "%Y-%m-%dT%H:%M:%SZ");
        let object = self.object(&path);
        let content = json!({
            "awsAccountId": "111122223333", "digestStartTime": text(start), "digestEndTime": text(end),
            "digestS3Bucket": BUCKET, "digestS3Object": object,
            "digestPublicKeyFingerprint": signer.to_string(), "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": null, "oldestEventTime": null,
            "previousDigestS3Bucket": before.get("key").map(|_| BUCKET),
            "previousDigestS3Object": before.get("key"),
            "previousDigestHashValue": before.get("hash"),
            "previousDigestHashAlgorithm": before.get("key").map(|_| "SHA-256"),
            "previousDigestSignature": before.get("signature"), "logFiles": logs,
        })
        .to_string();
        let hash = hex::encode(Sha256::digest(&content));
        let previous = before.get("signature").and_then(Value::as_str);
        let signed = [
            &*text(end),
            &format!("{BUCKET}/{object}"),
            &*hash,
            previous.unwrap_or("null"),
        ];
        let signature = sign(key(signer), &signed.join("\n"));
        self.files.insert(path.clone(), gzip(content.as_bytes()));
        let logs = logs.iter().map(|log| {
            let object = log["s3Object"].as_str().unwrap();
            let before = self.copied_from.as_deref().unwrap_or_default();
            object.strip_prefix(before).unwrap().to_owned()
        });
        let written = Written {
            key: path,
            region,
            end,
            logs: logs.collect(),
        };
        (
            written,
            json!({"key": object, "hash": hash, "signature": signature}),
        )
    }

    fn object(&self, key: &str) -> String {
        format!("{}{key}", self.copied_from.as_deref().unwrap_or_default())
    }

    /// What of it is there at a time.
    pub(super) fn until(&self, time: i64) -> World {
        let is_there = |key: &str| time_of(key).unwrap() <= time;
        let mut world = self.clone();
        world.files.retain(|key, _| is_there(key));
        world.signatures.retain(|key, _| is_there(key));
        world
    }

    /// The keys that are known.
    pub(super) fn keys(&self) -> KnownKeys {
        let mut keys = KnownKeys::default();
        for known in &self.known {
            let pkcs1 = key(*known).public_key().as_ref().to_owned();
            let (mut first, mut last) = (None, None);
            match known {
                0 => last = Some(self.changes_key_at),
                _ => first = Some(self.changes_key_at),
            }
            keys.insert(&known.to_string(), PublicKey::new(pkcs1, first, last));
        }
        keys
    }

    /// Verifies it long after.
    pub(super) fn verify(&self, from: Option<i64>, to: Option<i64>) -> (Vec<Finding>, Vec<Counts>) {
        let keys = self.keys();
        let verification = Verification {
            source: self,
            keys: &keys,
            range: Range {
                from,
                to,
                now: self.end + 100 * HOUR,
            },
            only: &Only::default(),
            threads: 2,
            inflated_bytes: 1 << 20,
            all: false,
        };
        let mut found = Vec::new();
        let counts = verification.run(&mut |event| {
            if let Event::Found(finding) = event {
                found.push(finding.clone());
            }
            Ok(())
        });
        (found, counts.unwrap())
    }
}

fn signature(of: &Value) -> String {
    of["signature"].as_str().unwrap().to_owned()
}

impl Source for World {
    fn bucket(&self) -> Option<&str> {
        self.copied_from.is_none().then_some(BUCKET)
    }

    fn top(&self) -> &str {
        ""
    }

    fn list(&self, folder: &str) -> Result<Listed, Error> {
        let mut listed = Listed::default();
        for key in self.files.keys().filter(|key| key.starts_with(folder)) {
            match key[folder.len()..].split_once('/') {
                Some((child, _)) => listed.folders.push(format!("{folder}{child}/")),
                None => listed.files.push(key.clone()),
            }
        }
        listed.folders.dedup();
        Ok(listed)
    }

    fn open_digest(&self, key: &str) -> Result<OpenedDigest, Error> {
        Ok(OpenedDigest {
            bytes: self.open_log_file(BUCKET, key)?,
            signature: Ok(self.signatures.get(key).cloned()),
        })
    }

    fn open_log_file(&self, bucket: &str, key: &str) -> Result<Bytes, Error> {
        assert_eq!(bucket, BUCKET);
        let bytes = self.files.get(key).cloned().ok_or(Error::Gone)?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn name(&self, key: &str) -> String {
        key.to_owned()
    }

    fn remedy(&self, _: &str, _: &str, _: &str) -> String {
        "look".to_owned()
    }
}
