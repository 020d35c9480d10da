//! Why a record is not exported, and where it stood.
//!
//! Enters: nothing. Leaves: the one reject type that every room speaks, so that a dead letter, a
//! log line, a metric and an answer to a sender all say the same.

use bytes::Bytes;

/// Where a record stood in its unit (a file, a request, an object).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The record's number in its unit, from 0.
    pub index: u64,
    /// Its first byte, counted in the unit's inflated bytes, from 0. For a record inside a string
    /// or a nested encoding: the first byte of the outermost element that carries it.
    pub offset: u64,
    /// How many inflated bytes the record (or the element that carries it) takes.
    pub length: u64,
}

/// The room in which a record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Before there were bytes to read.
    Input,
    /// While taking records out of their container.
    Open,
    /// While parsing a record as a CloudTrail event.
    Parse,
    /// By the collector.
    Export,
}

impl Stage {
    /// The stage's name in dead letters and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Input => "input",
            Stage::Open => "open",
            Stage::Parse => "parse",
            Stage::Export => "export",
        }
    }
}

/// Why a record was refused. Offsets count inflated bytes from the start of the unit, unless said
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are no JSON.
    #[error("not valid JSON at byte {at}: {detail}")]
    NotJson {
        /// Where parsing failed.
        at: u64,
        /// What the parser expected.
        detail: String,
    },
    /// Well-formed JSON that is no CloudTrail event and no container of events.
    #[error("not a CloudTrail event: {detail}")]
    NotCloudTrail {
        /// What is missing.
        detail: String,
    },
    /// An event of which a field cannot be read that says whose it is.
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
    /// The record nests deeper than allowed.
    #[error("nests deeper than {limit} levels (limits.depth raises it)")]
    TooDeep {
        /// The limit, in levels.
        limit: u32,
    },
    /// What should be base64 is none.
    #[error("not valid base64: {detail}")]
    BadBase64 {
        /// What the decoder said.
        detail: String,
    },
    /// A protobuf string cannot hold the record.
    #[error("invalid UTF-8 at byte {at}")]
    InvalidUtf8 {
        /// The first invalid byte.
        at: u64,
    },
    /// `eventTime` is absent or no time.
    #[error("eventTime is {}", match value { Some(v) => format!("no RFC 3339 time: {v:?}"), None => "absent".to_owned() })]
    BadTime {
        /// The text that is no time, cut to 64 characters.
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
        /// How many bytes were inflated before.
        at: u64,
        /// What the inflater said.
        detail: String,
    },
    /// The unit inflates to more than allowed; what came before the limit was read.
    #[error("inflates to more than {limit} bytes (limits.inflated_bytes raises it)")]
    InflatedTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The unit holds more events than allowed; what came before the limit was read.
    #[error("holds more than {limit} events (limits.events raises it)")]
    TooManyEvents {
        /// The limit, in events.
        limit: u64,
    },
    /// There is no such object, or no such bucket.
    #[error("there is no such object: {detail}")]
    ObjectGone {
        /// S3's own words.
        detail: String,
    },
    /// An object that may not be read, or whose key may not be used.
    #[error(
        "access to the object is denied: {detail}; `qtrail backfill` reads it again once the bucket's policy, the role's and the key's allow it"
    )]
    ObjectDenied {
        /// S3's own words.
        detail: String,
    },
    /// An object that failed at every try while others were read.
    #[error("the object cannot be read: {detail}; `qtrail backfill` reads it again once it can be")]
    ObjectUnreadable {
        /// What went wrong at the last try.
        detail: String,
    },
    /// An object of more bytes than allowed.
    #[error(
        "the object is too large: {detail} (s3.object_bytes raises the limit; `qtrail backfill` reads it again)"
    )]
    ObjectTooLarge {
        /// How large it is, and the limit.
        detail: String,
    },
    /// A message announced objects of buckets that it may not have read.
    #[error(
        "bucket {bucket} is not one that this queue's messages may have read{}: name it in s3.buckets if it is yours (`qtrail backfill` reads the object then)",
        match others { 0 => String::new(), n => format!(" ({n} more objects of the message likewise)") }
    )]
    BucketNotAllowed {
        /// The bucket.
        bucket: String,
        /// How many more objects of the message are of such buckets.
        others: usize,
    },
    /// A message holds CloudTrail events itself.
    #[error(
        "the message itself holds CloudTrail events, which whoever may send to the queue can make up: s3.inline_events: true reads them"
    )]
    InlineEvents,
    /// A message that is no known notice, and holds no CloudTrail event.
    #[error(
        "not a notice of S3, SNS, EventBridge or CloudTrail, and no CloudTrail event: {detail}"
    )]
    UnknownNotice {
        /// What is missing.
        detail: String,
    },
    /// The collector refused this very record.
    #[error("the collector refused it: {status}: {message}")]
    Refused {
        /// The signal that was refused: `logs` or `traces`.
        signal: &'static str,
        /// The gRPC or HTTP status.
        status: String,
        /// The collector's own words.
        message: String,
    },
    /// The collector accepted a request in part, and OTLP does not say which part.
    #[error(
        "the collector rejected {rejected} of these {of} records and did not say which: {message}"
    )]
    Uncertain {
        /// How many it rejected.
        rejected: u64,
        /// How many the request held.
        of: u64,
        /// The collector's own words.
        message: String,
    },
    /// So many records of a unit were refused that this stands for those beyond the bound.
    #[error("{}", suppressed(*count, *shortened, *whole))]
    Suppressed {
        /// Records that have no letter of their own.
        count: u64,
        /// Letters that have their record's SHA-256 alone.
        shortened: u64,
        /// Whether the whole unit is kept instead.
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
    /// The same, with its byte counted from `offset` bytes before.
    pub fn offset_by(mut self, offset: u64) -> Reason {
        if let Reason::NotJson { at, .. }
        | Reason::InvalidUtf8 { at }
        | Reason::Truncated { at, .. } = &mut self
        {
            *at += offset;
        }
        self
    }

    /// A short, stable word for metrics, dead letters and tests.
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

    /// Whether a larger limit would let it pass.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Reason::EventTooLarge { .. }
                | Reason::TooDeep { .. }
                | Reason::InflatedTooLarge { .. }
                | Reason::TooManyEvents { .. }
        )
    }

    /// The room that refuses for this reason.
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

/// What is kept of a refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// The same, however many they are: nobody else has them.
    Whole(Bytes),
    /// It was too large to keep.
    Digest {
        /// SHA-256 of its bytes.
        sha256: [u8; 32],
        /// How many bytes it has.
        length: u64,
    },
    /// The unit as a whole is the evidence (a damaged file, say).
    Unit,
}

impl Evidence {
    /// Bytes that are kept.
    pub fn kept_bytes(&self) -> Option<usize> {
        match self {
            Evidence::Bytes(bytes) => Some(bytes.len()),
            Evidence::Whole(bytes) => Some(bytes.len()),
            Evidence::Digest { .. } | Evidence::Unit => None,
        }
    }

    /// The same, whatever a dead letter may cut.
    pub fn whole(self) -> Self {
        match self {
            Evidence::Bytes(bytes) => Evidence::Whole(bytes.into()),
            other => other,
        }
    }
}

/// One refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where it stood.
    pub position: Position,
    /// Why.
    pub reason: Reason,
    /// What is kept of it.
    pub evidence: Evidence,
}
