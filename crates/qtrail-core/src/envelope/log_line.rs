//! The time and the stream before an event in a line of a log.
//!
//! Enters: bytes, one by one. Leaves: whether an object may follow them. What must hold: only what
//! CloudWatch Logs writes counts, `TIME {…}` (export tasks, `aws logs tail --format short`) and
//! `TIME STREAM {…}` (`aws logs tail`), where a time is RFC 3339 or milliseconds since 1970.

/// Characters of a log stream's name.
const LONGEST_STREAM: usize = 512;
/// What a time looks like up to its seconds; `0` is any digit.
const TIME: &[u8] = b"0000-00-00T00:00:00";
/// Digits of milliseconds since 1970, from 2001 to 2286.
const MILLISECONDS: usize = 13;

/// Reads the bytes before an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    /// So many bytes of a time.
    Time(usize),
    /// So many digits, more than a year has.
    Digits(usize),
    /// The fraction or the zone of a time.
    Zone,
    /// Between two words. `true`: the stream's name was there.
    Gap(bool),
    /// So many bytes of a stream's name.
    Stream(usize),
}

/// What one more byte leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefixed {
    /// The prefix continues.
    More,
    /// The object begins with this byte.
    Object,
    /// It is no such prefix.
    Other,
}

impl Prefix {
    pub(super) fn new() -> Self {
        Prefix::Time(0)
    }

    /// Whether the bytes so far cannot be anything else.
    pub(super) fn is_certain(self) -> bool {
        !matches!(self, Prefix::Time(0..5) | Prefix::Digits(_))
    }

    pub(super) fn step(&mut self, byte: u8) -> Prefixed {
        let next = match (*self, byte) {
            (Prefix::Time(at), _) if at < TIME.len() => match (TIME[at], byte) {
                (b'0', b'0'..=b'9') => Some(Prefix::Time(at + 1)),
                (b'T', b' ') => Some(Prefix::Time(at + 1)),
                (b'-', b'0'..=b'9') if at == 4 => Some(Prefix::Digits(5)),
                (wanted, _) => (wanted == byte).then_some(Prefix::Time(at + 1)),
            },
            (Prefix::Digits(count), b'0'..=b'9') => {
                (count < MILLISECONDS).then_some(Prefix::Digits(count + 1))
            }
            (Prefix::Digits(MILLISECONDS) | Prefix::Time(_) | Prefix::Zone, b' ' | b'\t') => {
                Some(Prefix::Gap(false))
            }
            (
                Prefix::Time(_) | Prefix::Zone,
                b'0'..=b'9' | b'.' | b',' | b'Z' | b'+' | b'-' | b':',
            ) => Some(Prefix::Zone),
            (Prefix::Gap(named), b' ' | b'\t') => Some(Prefix::Gap(named)),
            (Prefix::Gap(_), b'{') => return Prefixed::Object,
            (Prefix::Gap(false), _) if is_of_name(byte) => Some(Prefix::Stream(1)),
            (Prefix::Stream(_), b' ' | b'\t') => Some(Prefix::Gap(true)),
            (Prefix::Stream(count), _) if is_of_name(byte) && count < LONGEST_STREAM => {
                Some(Prefix::Stream(count + 1))
            }
            _ => None,
        };
        match next {
            Some(next) => {
                *self = next;
                Prefixed::More
            }
            None => Prefixed::Other,
        }
    }
}

/// Whether a byte can be in a stream's name. A quote or a bracket is of some JSON.
fn is_of_name(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !b"\"{}[]:*".contains(&byte)
}

/// The rest of a line behind its prefix, if it has one.
pub fn object(line: &[u8]) -> Option<&[u8]> {
    let mut prefix = Prefix::new();
    let mut bytes = line.iter().enumerate();
    bytes.find_map(|(at, byte)| match prefix.step(*byte) {
        Prefixed::More => None,
        Prefixed::Object => Some(Some(&line[at..])),
        Prefixed::Other => Some(None),
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_streams_stand_before_an_object() {
        for prefix in [
            "2026-11-02T08:00:00.000Z ",
            "2026-11-02T08:00:00Z\t",
            "2026-11-02T08:00:00 ",
            "2026-11-02 08:00:00.123 ",
            "2026-11-02T08:00:00.123000+00:00 ",
            "2026-11-02T08:00:00+00:00 123456789012_CloudTrail_us-east-1_3  ",
            "2026-11-02T08:00:00Z a/b=c ",
            "1793606400000 ",
        ] {
            let line = format!("{prefix}{{}}");
            assert_eq!(object(line.as_bytes()), Some(&b"{}"[..]), "{line}");
        }
        for line in [
            "",
            "{}",
            "2026-11-02T08:00:00.000Z",
            "2026-11-02T08:00:00.000Z{}",
            "2026-11-02 {}",
            "2026-11-02T08:00:00Z one two {}",
            "2026-11-02T08:00:00Z \"a\" {}",
            "2026-11-02T08:00:00Z a: {}",
            "2026-11-02T08:00:00Z [{}]",
            "2026-11-02T08:00:00Z\n{}",
            "2026 {}",
            "17936064000 {}",
            "17936064000000 {}",
            "INFO {}",
            "x2026-11-02T08:00:00Z {}",
        ] {
            assert_eq!(object(line.as_bytes()), None, "{line}");
        }
        let long = format!(
            "2026-11-02T08:00:00Z {} {{}}",
            "s".repeat(LONGEST_STREAM + 1)
        );
        assert_eq!(object(long.as_bytes()), None);
    }
}
