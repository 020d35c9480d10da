//! The outermost keys that tell what a JSON object is.

use std::ops::BitOrAssign;

/// A set of known keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys(u32);

impl Keys {
    pub(super) const NONE: Keys = Keys(0);
    /// Any field that every kind of CloudTrail event has at least one of.
    pub(super) const EVENT: Keys = Keys(1);
    /// Any key that occurs in what carries events, and never in an event.
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
    /// The same, but not in an event.
    const ANSWERS: Keys = Keys(Self::ANSWERED.0 | Self::RESULTS.0);

    /// What a key tells, as it is written in the text. By length first: most keys are none of these.
    pub(super) fn of(key: &[u8]) -> Keys {
        match key.len() {
            2 if key == b"s3" => Keys::WRAPPER,
            3 if key == b"Sns" => Keys::WRAPPER,
            4 => match key {
                b"body" => Keys::WRAPPER,
                b"data" => Keys::DATA,
                _ => Keys::NONE,
            },
            6 => match key {
                b"Events" => Keys::EVENTS,
                b"events" => Keys::ANSWERED,
                _ => Keys::NONE,
            },
            7 => match key {
                b"eventID" => Keys::EVENT,
                b"eventid" => Keys::COLUMN,
                b"Records" => Keys::RECORDS,
                b"records" => Keys::DELIVERED,
                b"results" => Keys::RESULTS,
                b"awslogs" | b"kinesis" | b"Message" | b"message" => Keys::WRAPPER,
                _ => Keys::NONE,
            },
            8 => match key {
                b"Messages" => Keys::RECORDS,
                b"logFiles" => Keys::LOG_FILES,
                b"@message" => Keys::WRAPPER,
                _ => Keys::NONE,
            },
            9 => match key {
                b"eventName" | b"eventTime" | b"eventType" => Keys::EVENT,
                b"eventname" | b"eventtime" | b"eventtype" => Keys::COLUMN,
                b"requestId" => Keys::REQUEST,
                b"logEvents" => Keys::LOG_EVENTS,
                b"messageId" | b"ResultSet" => Keys::WRAPPER,
                _ => Keys::NONE,
            },
            11 => match key {
                b"eventSource" => Keys::EVENT,
                b"eventsource" => Keys::COLUMN,
                b"detail-type" | b"messageType" => Keys::WRAPPER,
                _ => Keys::NONE,
            },
            12 => match key {
                b"eventVersion" => Keys::EVENT,
                b"eventversion" | b"useridentity" => Keys::COLUMN,
                _ => Keys::NONE,
            },
            13 => match key {
                b"eventCategory" => Keys::EVENT,
                b"eventcategory" => Keys::COLUMN,
                b"digestEndTime" => Keys::DIGEST_END,
                b"sessionUpdate" => Keys::WRAPPER,
                _ => Keys::NONE,
            },
            14 => match key {
                b"sessionResults" => Keys::ANSWERED,
                _ => Keys::NONE,
            },
            15 => match key {
                b"CloudTrailEvent" => Keys::WRAPPER,
                b"QueryResultRows" => Keys::ROWS,
                _ => Keys::NONE,
            },
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
    fn each_key_is_found_by_its_length() {
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
