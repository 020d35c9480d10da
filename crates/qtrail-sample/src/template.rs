//! Fills the templates of records, and writes their ids, numbers and times.

use std::fmt::Write as _;

use fastrand::Rng;

use super::identity::name_of;
use super::record::Setting;

/// Appends a template: `$a` is the account, `$r` the region, `$p` the person or session, `$c` the
/// conversation, `$u` a UUID, `$h` 16 hexadecimal digits, `$k` 64 characters, `$n` a number below
/// 10,000, `$m` a number of milliseconds, `$t` the time an hour later; `$L` a list that makes the
/// event as large as they come.
pub(super) fn fill(out: &mut String, template: &str, at: &Setting, rng: &mut Rng) {
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let mut tail = rest[dollar + 1..].chars();
        match tail.next() {
            Some('a') => out.push_str(at.account),
            Some('r') => out.push_str(at.region),
            Some('p') => out.push_str(name_of(at.identity)),
            Some('c') => uuid(out, at.conversation),
            Some('u') => uuid(out, rng.u128(..)),
            Some('h') => hex(out, u128::from(rng.u64(..)), 16),
            Some('k') => alphanumerics(out, 64, rng),
            Some('n') => number(out, rng.u32(..10_000)),
            Some('m') => number(out, rng.u32(300..20_000)),
            Some('t') => time(out, at.time + 3600),
            Some('L') => large(out, rng),
            other => out.extend(other),
        }
        rest = tail.as_str();
    }
    out.push_str(rest);
}

/// 50 to 200 KB of resources: rare in a real trail, but there.
fn large(out: &mut String, rng: &mut Rng) {
    for i in 0..rng.u32(600..2_400) {
        if i > 0 {
            out.push(',');
        }
        out.push_str(r#"{"resourceType":"AWS::EC2::Instance","resourceId":"i-"#);
        hex(out, u128::from(rng.u64(..)), 17);
        out.push_str(r#""}"#);
    }
}

pub(super) fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

/// Appends a UUID of version 4 made of these bits.
pub(super) fn uuid(out: &mut String, bits: u128) {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    hex(out, bits >> 96, 8);
    for (shift, digits) in [(80, 4), (64, 4), (48, 4), (0, 12)] {
        out.push('-');
        hex(out, bits >> shift, digits);
    }
}

fn hex(out: &mut String, bits: u128, digits: u32) {
    for digit in (0..digits).rev() {
        let nibble = (bits >> (4 * digit)) as usize & 0xf;
        out.push(char::from(b"0123456789abcdef"[nibble]));
    }
}

pub(super) fn alphanumerics(out: &mut String, count: usize, rng: &mut Rng) {
    for _ in 0..count {
        out.push(rng.alphanumeric());
    }
}

fn number(out: &mut String, n: u32) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{n}");
}

/// Appends `2026-01-02T03:04:05Z`.
pub(super) fn time(out: &mut String, seconds: i64) {
    let _ = write!(out, "{}", timestamp(seconds));
}

pub(super) fn timestamp(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap_or_default()
}
