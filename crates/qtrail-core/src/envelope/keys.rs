//! The outermost keys by which a JSON object is classified.

use std::ops::BitOrAssign;

/// Whether an object with these keys, as they are written, is an event, without a closer look.
pub(crate) fn is_plain_event<'k>(keys: impl Iterator<Item = &'k [u8]>) -> bool {
    let mut all = Keys::NONE;
    keys.for_each(|key| all |= Keys::of(key));
    all.is_plain_event()
}

/// A set of known keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys(u32);

impl Keys {
    pub(super) const NONE: Keys = Keys(0);
    /// Any field that every kind of CloudTrail event has at least one of.
    pub(super) const EVENT: Keys = Keys(1);
    /// Any key of objects that carry events, and never of an event.
    pub(super) const WRAPPER: Keys = Keys(1 << 1);
    pub(super) const RECORDS: Keys = Keys(1 << 2);
    pub(super) const EVENTS: Keys = Keys(1 << 3);
    pub(super) const LOG_EVENTS: Keys = Keys(1 << 4);
    pub(super) const ROWS: Keys = Keys(1 << 5);
    /// `records`, in lower case.
    pub(super) const DELIVERED: Keys = Keys(1 << 6);
    pub(super) const LOG_FILES: Keys = Keys(1 << 7);
    pub(super) const DIGEST_END: Keys = Keys(1 << 8);
    /// `data`, where Firehose puts a record.
    pub(super) const DATA: Keys = Keys(1 << 9);
    /// `requestId`, which Firehose writes before its records.
    pub(super) const REQUEST: Keys = Keys(1 << 10);

    /// `events`, `sessionResults`: what `aws logs` answers.
    pub(super) const ANSWERED: Keys = Keys(1 << 11);
    /// `results`: what a query of CloudWatch Logs Insights answers.
    pub(super) const RESULTS: Keys = Keys(1 << 12);
    /// A field of an event as tables have it, in lower case.
    pub(super) const COLUMN: Keys = Keys(1 << 13);

    const CONTAINERS: Keys = Keys(
        Self::RECORDS.0 | Self::EVENTS.0 | Self::LOG_EVENTS.0 | Self::ROWS.0 | Self::DELIVERED.0,
    );
    /// Keys of containers, but not in an event.
    const ANSWERS: Keys = Keys(Self::ANSWERED.0 | Self::RESULTS.0);

    /// The set that a key belongs to, as it is written in the text.
    pub(super) fn of(key: &[u8]) -> Keys {
        match key {
            b"eventVersion" | b"eventName" | b"eventSource" | b"eventID" | b"eventTime"
            | b"eventType" | b"eventCategory" => Keys::EVENT,
            b"Records" | b"Messages" => Keys::RECORDS,
            b"Events" => Keys::EVENTS,
            b"events" | b"sessionResults" => Keys::ANSWERED,
            b"results" => Keys::RESULTS,
            b"logEvents" => Keys::LOG_EVENTS,
            b"QueryResultRows" => Keys::ROWS,
            b"records" => Keys::DELIVERED,
            b"logFiles" => Keys::LOG_FILES,
            b"digestEndTime" => Keys::DIGEST_END,
            b"data" => Keys::DATA,
            b"requestId" => Keys::REQUEST,
            b"detail-type" | b"CloudTrailEvent" | b"awslogs" | b"kinesis" | b"s3" | b"body"
            | b"Sns" | b"messageId" | b"Message" | b"messageType" | b"message" | b"@message"
            | b"ResultSet" | b"sessionUpdate" => Keys::WRAPPER,
            b"eventversion" | b"eventname" | b"eventsource" | b"eventid" | b"eventtime"
            | b"eventtype" | b"eventcategory" | b"useridentity" => Keys::COLUMN,
            _ => Keys::NONE,
        }
    }

    /// Whether any of these is in the set.
    pub(super) fn any(self, of: Keys) -> bool {
        self.0 & of.0 != 0
    }

    /// Whether events come in an array under this key, in an object with these keys.
    pub(super) fn is_container(self, keys: Keys) -> bool {
        self.any(Keys::CONTAINERS) || self.any(Keys::ANSWERS) && !keys.any(Keys::EVENT)
    }

    /// Whether the object is an event, without a closer look.
    pub(super) fn is_plain_event(self) -> bool {
        self == Keys::EVENT
    }
}

impl BitOrAssign for Keys {
    fn bitor_assign(&mut self, other: Keys) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_tells_what_it_is_for() {
        for (keys, words) in [
            (
                Keys::EVENT,
                "eventVersion eventName eventSource eventID eventTime eventType eventCategory",
            ),
            (
                Keys::COLUMN,
                "eventversion eventname eventsource eventid eventtime eventtype eventcategory useridentity",
            ),
            (
                Keys::WRAPPER,
                "detail-type CloudTrailEvent awslogs kinesis s3 body Sns messageId Message messageType message @message ResultSet sessionUpdate",
            ),
            (Keys::RECORDS, "Records Messages"),
            (Keys::EVENTS, "Events"),
            (Keys::ANSWERED, "events sessionResults"),
            (Keys::RESULTS, "results"),
            (Keys::LOG_EVENTS, "logEvents"),
            (Keys::ROWS, "QueryResultRows"),
            (Keys::DELIVERED, "records"),
            (Keys::LOG_FILES, "logFiles"),
            (Keys::DIGEST_END, "digestEndTime"),
            (Keys::DATA, "data"),
            (Keys::REQUEST, "requestId"),
            (Keys::NONE, "userIdentity eventData requestID EventName"),
        ] {
            for word in words.split(' ') {
                assert_eq!(Keys::of(word.as_bytes()), keys, "{word}");
            }
        }
        assert!(
            Keys::ANSWERED.is_container(Keys::NONE) && !Keys::RESULTS.is_container(Keys::EVENT)
        );
        assert!(Keys::RECORDS.is_container(Keys::EVENT));
    }
}
