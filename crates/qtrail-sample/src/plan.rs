//! Which files a trail has: place, time of delivery, how much is in each.

use fastrand::Rng;

use super::people::{ACCOUNTS, REGIONS};
use super::template::{alphanumerics, timestamp};
use super::{Amount, Format, Spec};

/// A mean event, for what must be estimated.
const EVENT_BYTES: u64 = 1_200;

/// CloudTrail delivers about every five minutes.
const SLOT: i64 = 300;

/// One file to be.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) account: &'static str,
    pub(super) region: &'static str,
    /// Seconds since 1970.
    pub(super) delivered: i64,
    pub(super) amount: Amount,
    /// How many of its events are Amazon Q's, where the number of events is known.
    pub(super) amazon_q: Option<u64>,
    /// What chance draws from in this file.
    pub(super) seed: u64,
    /// What conversations draw from: equal for neighbouring files of one place.
    pub(super) scene_seed: u64,
}

impl File {
    /// The path below the trail's directory, as CloudTrail names it.
    pub(super) fn path(&self, format: Format) -> String {
        let time = timestamp(self.delivered);
        let (account, region) = (self.account, self.region);
        let folder = time.strftime("%Y/%m/%d");
        let minute = time.strftime("%Y%m%dT%H%MZ");
        let mut random = String::new();
        alphanumerics(&mut random, 16, &mut Rng::with_seed(self.seed));
        let extension = match format {
            Format::Gzip => "json.gz",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
        };
        format!(
            "AWSLogs/{account}/CloudTrail/{region}/{folder}/{account}_CloudTrail_{region}_{minute}_{random}.{extension}"
        )
    }
}

/// The files of a trail, oldest first.
pub(super) fn files(spec: &Spec) -> impl Iterator<Item = File> + use<> {
    let spec = spec.clone();
    let (total, events) = match spec.amount {
        Amount::Events(n) => (n, n),
        Amount::Bytes(n) => (n, n.div_ceil(EVENT_BYTES)),
    };
    let count = spec
        .files
        .unwrap_or(events.isqrt())
        .clamp(u64::from(events > 0), events);
    let weights: u64 = (0..count).map(|index| weight(spec.seed, index)).sum();
    let mut before = 0;
    (0..count).map(move |index| {
        let from = quota(index, before, count, weights, total);
        before += weight(spec.seed, index);
        let to = quota(index + 1, before, count, weights, total);
        file(&spec, index, count, from, to)
    })
}

fn file(spec: &Spec, index: u64, count: u64, from: u64, to: u64) -> File {
    let places = (ACCOUNTS.len() * REGIONS.len()) as u64;
    let (slot, place) = (index / places, index % places);
    let slots_after = (count - 1) / places - slot;
    let seed = mix(spec.seed, index);
    let (amount, amazon_q) = match spec.amount {
        Amount::Events(total) => (
            Amount::Events(to - from),
            Some(share(to, total, spec.share) - share(from, total, spec.share)),
        ),
        Amount::Bytes(_) => (Amount::Bytes(to - from), None),
    };
    File {
        account: ACCOUNTS[place as usize % ACCOUNTS.len()],
        region: REGIONS[place as usize / ACCOUNTS.len()],
        delivered: spec.end - slots_after as i64 * SLOT - (places - 1 - place) as i64 * 20,
        amount,
        amazon_q,
        seed,
        scene_seed: mix(spec.seed ^ 0x5ce0e, slot / 3 * places + place),
    }
}

/// How much is in the files before this one: one in each, and the rest by weight.
fn quota(index: u64, weight_before: u64, count: u64, weights: u64, total: u64) -> u64 {
    let rest = u128::from(total - count) * u128::from(weight_before) / u128::from(weights.max(1));
    index + rest as u64
}

/// A few files hold most of a trail.
fn weight(seed: u64, index: u64) -> u64 {
    const WEIGHTS: [u64; 8] = [1, 1, 1, 2, 2, 3, 6, 16];
    WEIGHTS[mix(seed, index) as usize % WEIGHTS.len()]
}

/// Amazon Q's part of the first events of a trail: of all of them at least one, unless it has no share.
fn share(events: u64, total: u64, percent: f64) -> u64 {
    let part = (events as f64 * percent.clamp(0.0, 100.0) / 100.0).round() as u64;
    match events == total && events > 0 && percent > 0.0 {
        true => part.max(1),
        false => part,
    }
}

/// Two numbers as one that looks random (SplitMix64's finisher).
fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
