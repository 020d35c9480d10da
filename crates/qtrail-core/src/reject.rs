//! Rejects: the records that cannot be exported, each with its reason, position and bytes.
//!
//! Every part of qtrail uses these types, so a dead letter, a log line, a metric and an answer to a
//! sender all name the same reason.

use bytes::Bytes;

/// The position of a record in its unit: a file, an object or a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The record's number in its unit, from 0.
    pub index: u64,
    /// The offset of its first byte in the unit's inflated bytes, from 0. For a record inside a string or
    /// a nested encoding, the offset of the outermost element that carries it.
    pub offset: u64,
    /// The length of the record, or of the element that carries it, in inflated bytes.
    pub length: u64,
}

/// The step that rejected a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Fetching the bytes.
    Input,
    /// Taking records out of their container.
    Open,
    /// Parsing a record as a CloudTrail event.
    Parse,
    /// Sending it to the collector.
    Export,
}

impl Stage {
    /// The name in dead letters and metrics, such as `parse`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Input => "input",
            Stage::Open => "open",
            Stage::Parse => "parse",
            Stage::Export => "export",
        }
    }
}

/// Why a record was rejected. Offsets count inflated bytes from the start of the unit, unless documented
/// otherwise. `Display` gives the sentence for people, [`Reason::kind`] the word for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not JSON.
    #[error("not valid JSON at byte {at}: {detail}")]
    NotJson {
        /// Where parsing failed.
        at: u64,
        /// What the parser expected.
        detail: String,
    },
    /// Well-formed JSON, but neither a CloudTrail event nor a container of events.
    #[error("not a CloudTrail event: {detail}")]
    NotCloudTrail {
        /// What is missing.
        detail: String,
    },
    /// A field that decides whether the event is Amazon Q's cannot be read.
    #[error("{field} cannot be read: {detail}")]
    BadField {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The record is larger than an event may be.
    #[error("larger than an event may be ({limit} bytes; limits.event_bytes raises it)")]
    EventTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The record nests deeper than the limit.
    #[error("nests deeper than {limit} levels (limits.depth raises it)")]
    TooDeep {
        /// The limit, in levels.
        limit: u32,
    },
    /// Not valid base64.
    #[error("not valid base64: {detail}")]
    BadBase64 {
        /// The decoder's message.
        detail: String,
    },
    /// The record is not UTF-8, so a protobuf string cannot hold it.
    #[error("invalid UTF-8 at byte {at}")]
    InvalidUtf8 {
        /// The first invalid byte.
        at: u64,
    },
    /// `eventTime` is absent or not a time.
    #[error("eventTime is {}", match value { Some(v) => format!("no RFC 3339 time: {v:?}"), None => "absent".to_owned() })]
    BadTime {
        /// The text, cut to 64 characters; `None` if `eventTime` is absent.
        value: Option<String>,
    },
    /// The unit ends in the middle of a record or of a compressed stream.
    #[error("the data ends in the middle of a {what} at byte {at}")]
    Truncated {
        /// `record`, `gzip stream`, …
        what: &'static str,
        /// Where it ends.
        at: u64,
    },
    /// The compressed stream is damaged.
    #[error("damaged gzip data after {at} inflated bytes: {detail}")]
    BadGzip {
        /// How many bytes were inflated before the damage.
        at: u64,
        /// The inflater's message.
        detail: String,
    },
    /// The unit inflates to more than the limit; the records before the limit were read.
    #[error("inflates to more than {limit} bytes (limits.inflated_bytes raises it)")]
    InflatedTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The unit holds more events than the limit; the events before the limit were read.
    #[error("holds more than {limit} events (limits.events raises it)")]
    TooManyEvents {
        /// The limit, in events.
        limit: u64,
    },
    /// The object or the bucket does not exist.
    #[error("there is no such object: {detail}")]
    ObjectGone {
        /// S3's message.
        detail: String,
    },
    /// Access to the object or to its KMS key is denied.
    #[error(
        "access to the object is denied: {detail}; `qtrail backfill` reads it again once the bucket's policy, the role's and the key's allow it"
    )]
    ObjectDenied {
        /// S3's message.
        detail: String,
    },
    /// The object failed at every attempt while others were read.
    #[error("the object cannot be read: {detail}; `qtrail backfill` reads it again once it can be")]
    ObjectUnreadable {
        /// The error of the last attempt.
        detail: String,
    },
    /// The object is larger than the limit.
    #[error(
        "the object is too large: {detail} (s3.object_bytes raises the limit; `qtrail backfill` reads it again)"
    )]
    ObjectTooLarge {
        /// Its size and the limit.
        detail: String,
    },
    /// A message announced objects in a bucket that `s3.buckets` does not list.
    #[error(
        "bucket {bucket} is not one that this queue's messages may have read{}: name it in s3.buckets if it is yours (`qtrail backfill` reads the object then)",
        match others { 0 => String::new(), n => format!(" ({n} more objects of the message likewise)") }
    )]
    BucketNotAllowed {
        /// The bucket.
        bucket: String,
        /// How many more objects of the message are in such buckets.
        others: usize,
    },
    /// A message contains CloudTrail events instead of announcing objects.
    #[error(
        "the message itself holds CloudTrail events, which whoever may send to the queue can make up: s3.inline_events: true reads them"
    )]
    InlineEvents,
    /// A message is neither a known notification nor a CloudTrail event.
    #[error(
        "not a notice of S3, SNS, EventBridge or CloudTrail, and no CloudTrail event: {detail}"
    )]
    UnknownNotice {
        /// What is missing.
        detail: String,
    },
    /// The collector rejected this record.
    #[error("the collector refused it: {status}: {message}")]
    Refused {
        /// The rejected signal: `logs` or `traces`.
        signal: &'static str,
        /// The gRPC or HTTP status.
        status: String,
        /// The collector's message.
        message: String,
    },
    /// The collector rejected some records of a request, and OTLP cannot name which.
    #[error(
        "the collector rejected {rejected} of these {of} records and did not say which: {message}"
    )]
    Uncertain {
        /// How many it rejected.
        rejected: u64,
        /// How many records the request had.
        of: u64,
        /// The collector's message.
        message: String,
    },
    /// Stands for further rejects of a unit, beyond the limit of dead letters per unit.
    #[error("{}", suppressed(*count, *shortened, *whole))]
    Suppressed {
        /// Rejects without a dead letter of their own.
        count: u64,
        /// Dead letters that hold only the SHA-256 of their record.
        shortened: u64,
        /// Whether this dead letter holds the whole unit instead.
        whole: bool,
    },
}

fn suppressed(count: u64, shortened: u64, whole: bool) -> String {
    let mut text = format!(
        "{count} more of its records were refused than have a letter each (dead_letters.unit_letters)"
    );
    if shortened > 0 {
        text += &format!(
            "; of {shortened} that have one, the bytes are too many (dead_letters.unit_bytes)"
        );
    }
    text + match whole {
        true => "; this is the whole request",
        false => {
            "; the SHA-256 is that of these records, in the order in which they were refused; their source still has them"
        }
    }
}

impl Reason {
    /// The same reason with `offset` added to its byte offset, if it has one.
    pub fn offset_by(mut self, offset: u64) -> Reason {
        if let Reason::NotJson { at, .. }
        | Reason::InvalidUtf8 { at }
        | Reason::Truncated { at, .. } = &mut self
        {
            *at += offset;
        }
        self
    }

    /// A short, stable word for metrics, dead letters and tests, such as `not_json`.
    pub fn kind(&self) -> &'static str {
        match self {
            Reason::NotJson { .. } => "not_json",
            Reason::NotCloudTrail { .. } => "not_cloudtrail",
            Reason::BadField { .. } => "bad_field",
            Reason::EventTooLarge { .. } => "event_too_large",
            Reason::TooDeep { .. } => "too_deep",
            Reason::BadBase64 { .. } => "bad_base64",
            Reason::InvalidUtf8 { .. } => "invalid_utf8",
            Reason::BadTime { .. } => "bad_time",
            Reason::Truncated { .. } => "truncated",
            Reason::BadGzip { .. } => "bad_gzip",
            Reason::InflatedTooLarge { .. } => "inflated_too_large",
            Reason::TooManyEvents { .. } => "too_many_events",
            Reason::ObjectGone { .. } => "object_gone",
            Reason::ObjectDenied { .. } => "object_denied",
            Reason::ObjectUnreadable { .. } => "object_unreadable",
            Reason::ObjectTooLarge { .. } => "object_too_large",
            Reason::BucketNotAllowed { .. } => "bucket_not_allowed",
            Reason::InlineEvents => "inline_events",
            Reason::UnknownNotice { .. } => "unknown_notice",
            Reason::Refused { .. } => "refused",
            Reason::Uncertain { .. } => "uncertain",
            Reason::Suppressed { .. } => "suppressed",
        }
    }

    /// Whether a higher limit would let the record pass.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Reason::EventTooLarge { .. }
                | Reason::TooDeep { .. }
                | Reason::InflatedTooLarge { .. }
                | Reason::TooManyEvents { .. }
        )
    }

    /// The step that rejects records for this reason.
    pub fn stage(&self) -> Stage {
        match self {
            Reason::BadField { .. } | Reason::BadTime { .. } | Reason::NotCloudTrail { .. } => {
                Stage::Parse
            }
            Reason::ObjectGone { .. }
            | Reason::ObjectDenied { .. }
            | Reason::ObjectUnreadable { .. }
            | Reason::ObjectTooLarge { .. }
            | Reason::BucketNotAllowed { .. }
            | Reason::InlineEvents
            | Reason::UnknownNotice { .. } => Stage::Input,
            Reason::Refused { .. } | Reason::Uncertain { .. } => Stage::Export,
            _ => Stage::Open,
        }
    }
}

/// What a reject keeps of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// Its bytes, which a dead letter must not shorten because nobody else has them.
    Whole(Bytes),
    /// A hash, because the record is too large to keep.
    Digest {
        /// SHA-256 of its bytes.
        sha256: [u8; 32],
        /// Its length in bytes.
        length: u64,
    },
    /// Nothing: the whole unit is the evidence, for example a damaged file.
    Unit,
}

impl Evidence {
    /// How many bytes are kept; `None` if none are.
    pub fn kept_bytes(&self) -> Option<usize> {
        match self {
            Evidence::Bytes(bytes) => Some(bytes.len()),
            Evidence::Whole(bytes) => Some(bytes.len()),
            Evidence::Digest { .. } | Evidence::Unit => None,
        }
    }

    /// Turns [`Evidence::Bytes`] into [`Evidence::Whole`].
    pub fn whole(self) -> Self {
        match self {
            Evidence::Bytes(bytes) => Evidence::Whole(bytes.into()),
            other => other,
        }
    }
}

/// One rejected record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its position in the unit.
    pub position: Position,
    /// Why it was rejected.
    pub reason: Reason,
    /// What is kept of the record.
    pub evidence: Evidence,
}
