//! The naive converter: every byte is inflated, every record parsed.

use std::io::Read;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// What an export task of CloudWatch Logs writes before each event of the made trails.
const EXPORTED: &str = "2026-11-02T08:00:00.000Z ";

/// A record that is no JSON.
pub(crate) const BROKEN: &str = include_str!("../../fixtures/pass-request.as-published.txt");

const SERVICES: [&str; 9] = [
    "q.amazonaws.com",
    "codewhisperer.amazonaws.com",
    "qdeveloper.amazonaws.com",
    "user-subscriptions.amazonaws.com",
    "qapps.amazonaws.com",
    "qbusiness.amazonaws.com",
    "chatbot.amazonaws.com",
    "sagemaker-data-science-assistant.amazonaws.com",
    "aiops.amazonaws.com",
];

/// The classes of Amazon Q's own events, which go by long lists of names, in one word.
const OWN: &str = "own";

/// Some of the mapped fields of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Central {
    pub(crate) time: u64,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) severity: String,
    pub(crate) class: Option<String>,
    pub(crate) invoked_by: Option<String>,
    pub(crate) conversation: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) region: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Converted {
    pub(crate) exported: Vec<Central>,
    /// The texts of refused records.
    pub(crate) refused: Vec<String>,
    /// The texts of refused records, and of those that were passed over with them.
    pub(crate) lost: Vec<String>,
    /// How many were passed over.
    pub(crate) passed_over: usize,
    pub(crate) read: u64,
    pub(crate) filtered: u64,
}

/// A class of the product's, as it is told apart here.
pub(crate) fn coarse(class: &str) -> String {
    match class {
        "conversation" | "code" | "telemetry" | "administration" | "investigation" => {
            OWN.to_owned()
        }
        other => other.to_owned(),
    }
}

/// The text of refused records, without what separates them, or begins or ends a container: what of
/// that belongs to a broken record, nobody knows.
pub(crate) fn joined(refused: &[String]) -> String {
    let separators = [' ', '\n', '\r', '\t', ',', '[', ']', '}'];
    refused.concat().replace(separators, "")
}

/// What is known of a unit beside its bytes.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Where its records begin, if it was damaged: that is where reading goes on after an error.
    pub(crate) starts: Vec<usize>,
    /// Pieces that were given up as a whole: what begins inside one is passed over.
    pub(crate) given_up: Vec<Range<usize>>,
    /// Its records before they were damaged: damage can leave one whole behind a few bytes.
    pub(crate) whole: Vec<Vec<u8>>,
}

/// Converts a unit.
pub(crate) fn convert(unit: &[u8], all: bool, known: &Known) -> Converted {
    let mut converted = Converted::default();
    for (at, record) in records(unit, &known.starts) {
        let is_inside = |range: &Range<usize>| range.start < at && at < range.end;
        if known.given_up.iter().any(is_inside) {
            converted.passed_over += 1;
            converted
                .lost
                .push(String::from_utf8_lossy(&record).into_owned());
            continue;
        }
        converted.read += 1;
        match event(&record) {
            Some(event) if all || is_amazon_q(&event) => match central(&event, &record) {
                Some(central) => converted.exported.push(central),
                None => converted.refuse(&record),
            },
            Some(_) => converted.filtered += 1,
            None if is_wanted(&record, all) => converted.refuse(&record),
            None => {}
        }
    }
    converted
}

/// The events that begin at the known starts, and those that were there before the damage.
pub(crate) fn at(unit: &[u8], all: bool, known: &Known) -> Vec<Central> {
    let unit = inflate(unit);
    let at_start = |start: &usize| {
        let rest = unit.get(*start..)?;
        rest.get(..whole_value(rest, true).ok()?)
    };
    let converted = |record: &[u8]| {
        let event = event(record)?;
        let is_wanted = all || is_amazon_q(&event);
        is_wanted.then(|| central(&event, record)).flatten()
    };
    let starting = known.starts.iter().filter_map(at_start);
    let whole = known.whole.iter().map(Vec::as_slice);
    starting.chain(whole).filter_map(converted).collect()
}

/// Where events begin whose first key is their version.
pub(crate) fn starts(unit: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(&inflate(unit), b"{\"eventVersion\"").collect()
}

impl Converted {
    fn refuse(&mut self, record: &[u8]) {
        let text = String::from_utf8_lossy(record).into_owned();
        self.lost.push(text.clone());
        self.refused.push(text);
    }
}

/// Whether a record is an event of Amazon Q's or, where it is broken, could be one.
pub(crate) fn is_wanted(record: &[u8], all: bool) -> bool {
    if let Some(event) = event(record) {
        // Its names may be escaped.
        return all || is_amazon_q(&event);
    }
    let text = String::from_utf8_lossy(record);
    all || SERVICES.iter().any(|service| text.contains(service)) || text.contains("AmazonQ-For-")
}

fn inflate(unit: &[u8]) -> Vec<u8> {
    if !unit.starts_with(&[0x1f, 0x8b]) {
        return unit.to_vec();
    }
    let mut inflated = Vec::new();
    // What came before damage counts.
    let _ = MultiGzDecoder::new(unit).read_to_end(&mut inflated);
    inflated
}

/// The texts of all records, broken ones too, and where they begin, as far as that is known.
fn records(unit: &[u8], starts: &[usize]) -> Vec<(usize, Vec<u8>)> {
    let unit = inflate(unit);
    if unit.starts_with(EXPORTED.as_bytes()) {
        let lines = unit
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        return lines
            .map(|line| (0, line[EXPORTED.len()..].to_vec()))
            .collect();
    }
    match serde_json::from_slice::<&RawValue>(&unit) {
        Ok(value) => contained(value).into_iter().map(|text| (0, text)).collect(),
        Err(_) => lines_or_pieces(&unit, starts),
    }
}

/// A field of an object, as its text.
fn field<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let fields: std::collections::HashMap<String, &'a RawValue> =
        serde_json::from_str(object.get()).ok()?;
    fields.get(name).copied()
}

fn items(array: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(array.get()).unwrap_or_default()
}

fn unquoted(text: &RawValue) -> Vec<u8> {
    serde_json::from_str::<String>(text.get())
        .unwrap()
        .into_bytes()
}

/// The records of a well-formed value.
fn contained(value: &RawValue) -> Vec<Vec<u8>> {
    let whole = |value: &RawValue| value.get().as_bytes().to_vec();
    if value.get().starts_with('[') {
        let element = |value: &RawValue| match value.get().starts_with('"') {
            true => unquoted(value),
            false => whole(value),
        };
        return items(value).into_iter().map(element).collect();
    }
    if field(value, "digestEndTime").is_some() {
        return Vec::new();
    }
    if field(value, "eventVersion").is_some() {
        return vec![whole(value)];
    }
    if let Some(records) = field(value, "Records") {
        return items(records).into_iter().map(whole).collect();
    }
    let of_each = |name: &str, part: &str, open: &dyn Fn(&RawValue) -> Vec<u8>| {
        let array = field(value, name)?;
        let parts = items(array)
            .into_iter()
            .filter_map(|item| field(item, part));
        Some(parts.map(open).collect::<Vec<_>>())
    };
    let decoded = |text: &RawValue| inflate(&STANDARD.decode(unquoted(text)).unwrap());
    None.or_else(|| of_each("Events", "CloudTrailEvent", &|text| unquoted(text)))
        .or_else(|| of_each("logEvents", "message", &|text| unquoted(text)))
        .or_else(|| of_each("records", "data", &decoded))
        .or_else(|| of_each("events", "message", &|text| unquoted(text)))
        .or_else(|| {
            let is_message = |cell: &&RawValue| {
                field(cell, "field").is_some_and(|name| name.get() == "\"@message\"")
            };
            let message = |row: &RawValue| {
                let cell = items(row).into_iter().find(is_message);
                cell.and_then(|cell| field(cell, "value")).map(unquoted)
            };
            Some(
                items(field(value, "results")?)
                    .into_iter()
                    .filter_map(message)
                    .collect(),
            )
        })
        .or_else(|| Some(vec![whole(field(value, "detail")?)]))
        .unwrap_or_else(|| vec![whole(value)])
}

/// The records of something that is no single value: lines, or a container with broken records.
fn lines_or_pieces(unit: &[u8], starts: &[usize]) -> Vec<(usize, Vec<u8>)> {
    let mut head: &[u8] = [&b"{\"Records\":["[..], b"["]
        .into_iter()
        .find(|head| unit.starts_with(head))
        .unwrap_or_default();
    let mut rest = &unit[head.len()..];
    let mut found = Vec::new();
    loop {
        let start = rest.iter().position(|b| !b" \r\n\t,".contains(b));
        let Some(start) = start else { return found };
        rest = &rest[start..];
        if !head.is_empty() && rest[0] == b']' {
            // The container's end, be it by a damaged record: behind it, its object may go on, and
            // what follows stands at the top.
            let ended = [head, rest].concat();
            let object = whole_value(&ended, false).unwrap_or(head.len() + 1);
            rest = &rest[object - head.len()..];
            head = b"";
            continue;
        }
        let begins = unit.len() - rest.len();
        let length = match whole_value(rest, !head.is_empty()) {
            Ok(length) => {
                let value: Result<&RawValue, _> = serde_json::from_slice(&rest[..length]);
                match value {
                    Ok(value) if head.is_empty() => {
                        found.extend(contained(value).into_iter().map(|text| (begins, text)));
                    }
                    _ => found.push((begins, rest[..length].to_vec())),
                }
                length
            }
            Err(at) => {
                let at = begins + at.max(1);
                let next = starts.iter().copied().find(|start| *start >= at);
                let next = next.unwrap_or(unit.len()) - begins;
                found.push((begins, rest[..next].to_vec()));
                next
            }
        };
        rest = &rest[length..];
    }
}

/// The length of the value that the bytes begin with; else the byte at which it is none. At the top,
/// the line's end is that of a value, too.
fn whole_value(bytes: &[u8], contained: bool) -> Result<usize, usize> {
    // Structure does not depend on bytes that are no UTF-8.
    let text: Vec<u8> = bytes
        .iter()
        .map(|b| if b.is_ascii() { *b } else { b'?' })
        .collect();
    let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<&RawValue>();
    match values.next() {
        Some(Ok(_)) => {
            let length = values.byte_offset();
            let rest = &text[length..];
            let skip = |from: usize| {
                let space = |b: &u8| b" \r\t".contains(b) || contained && *b == b'\n';
                let next = rest[from..].iter().position(|b| !space(b));
                next.map(|next| (from + next, rest[from + next]))
            };
            // What goes on as an object would was no whole record.
            match skip(0) {
                Some((at, b'"' | b'}' | b':')) => Err(length + at),
                Some((at, b',')) => match skip(at + 1) {
                    Some((at, b'"')) => Err(length + at),
                    _ => Ok(length),
                },
                _ => Ok(length),
            }
        }
        Some(Err(error)) => {
            let lines: usize = text
                .split_inclusive(|b| *b == b'\n')
                .take(error.line() - 1)
                .map(<[u8]>::len)
                .sum();
            Err((lines + error.column()).saturating_sub(1))
        }
        None => Err(0),
    }
}

/// A record as a value; lone surrogates, which it cannot hold, are replaced.
fn event(record: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(record).ok()?;
    let value: Value = serde_json::from_str(&text.replace(r"\ud83d here", "\u{fffd} here")).ok()?;
    value.is_object().then_some(value)
}

fn text_at<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event
        .pointer(pointer)?
        .as_str()
        .filter(|text| !text.is_empty())
}

/// A text that an id or a name may be made of: none with the mark of a hidden value.
fn shown_at<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    text_at(event, pointer).filter(|text| {
        let of_role = pointer.ends_with("/principalId");
        let mut parts = text.split(|c| of_role && c == ':');
        !text.contains("[REDACTED]") && !parts.any(is_mark)
    })
}

/// Whether a text stands in the place of a hidden value, as docs/mapping.md lists them.
pub(crate) fn is_mark(text: &str) -> bool {
    let text = text.trim();
    let word = text.trim_matches(|c: char| !c.is_alphanumeric());
    let is_wrapped = word.len() < text.len();
    match word.to_ascii_lowercase().as_str() {
        _ if text.len() > 64 => false,
        "" => !text.is_empty() && text.chars().all(|c| "*•".contains(c)),
        "redacted"
        | "hidden_due_to_security_reasons"
        | "sensitivedataremoved"
        | "value hidden due to security reasons" => true,
        "filtered" | "hidden" | "masked" | "removed" | "sensitive" => is_wrapped,
        _ => false,
    }
}

fn invokers(event: &Value) -> impl Iterator<Item = &str> {
    [
        "/userIdentity/invokedBy",
        "/userIdentity/sessionContext/invokedBy",
    ]
    .into_iter()
    .filter_map(|pointer| text_at(event, pointer))
}

fn is_own(event: &Value) -> bool {
    text_at(event, "/eventSource").is_some_and(|source| SERVICES.contains(&source))
}

fn is_amazon_q(event: &Value) -> bool {
    is_own(event)
        || invokers(event).any(|invoker| SERVICES.contains(&invoker))
        || text_at(event, "/userAgent")
            .is_some_and(|agent| agent.contains("AmazonQ-For-") || agent.contains("KiroIDE-"))
}

fn class(event: &Value) -> &'static str {
    if is_own(event) && text_at(event, "/eventName") == Some("PassRequest") {
        "pass_request"
    } else if is_own(event) {
        OWN
    } else if invokers(event).any(|invoker| SERVICES.contains(&invoker)) {
        "on_behalf_of"
    } else if is_amazon_q(event) {
        "agent_call"
    } else {
        "other"
    }
}

fn conversation(event: &Value) -> Option<&str> {
    if !is_own(event) {
        return None;
    }
    let of_telemetry = || {
        let kinds = event
            .pointer("/requestParameters/telemetryEvent")?
            .as_object()?;
        kinds
            .values()
            .find_map(|kind| shown_at(kind, "/conversationId"))
    };
    shown_at(event, "/requestParameters/conversationId")
        .or_else(|| shown_at(event, "/requestParameters/conversationState/conversationId"))
        .or_else(of_telemetry)
        .or_else(|| shown_at(event, "/responseElements/metadata/conversationId"))
        .or_else(|| shown_at(event, "/responseElements/conversationId"))
}

/// The table of "Outcome" in docs/mapping.md.
fn severity(event: &Value) -> &'static str {
    let said = |text: &str| !["", "none", "null"].contains(&text.trim().to_lowercase().as_str());
    let plain = |text: &str| {
        let letters = text.to_lowercase();
        letters.replace(|c: char| !c.is_ascii_alphanumeric(), "")
    };
    let success = |text: &str| {
        let first = text.split_whitespace().next().unwrap_or_default();
        let status = first.parse::<f64>().unwrap_or_default();
        (status.fract() == 0.0 && (200.0..=299.0).contains(&status))
            || ["ok", "success", "successful", "succeeded"].contains(&plain(text).as_str())
    };
    let code = match &event["errorCode"] {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if said(text) => Some(text.clone()),
        _ => None,
    };
    let denials =
        "accessdenied unauthorized notauthorized authorizationerror authfailure forbidden";
    match &code {
        Some(code) if success(code) => {}
        Some(code) if plain(code).contains("dryrunoperation") => return "INFO",
        Some(code) if denials.split(' ').any(|part| plain(code).contains(part)) => return "WARN",
        Some(code) if ["401", "403"].contains(&code.as_str()) => return "WARN",
        Some(_) => return "ERROR",
        None => {}
    }
    let message = text_at(event, "/errorMessage").filter(|text| said(text) && !success(text));
    if code.is_none() && message.is_some() {
        return "ERROR";
    }
    let source = text_at(event, "/eventSource").unwrap_or_default();
    let sign_in = source.starts_with("signin.")
        || source.starts_with("sso.")
        || event["eventType"] == "AwsConsoleSignIn";
    let name = text_at(event, "/eventName").unwrap_or_default();
    let failed = |(key, value): (&String, &Value)| {
        let word = value.as_str().unwrap_or_default().trim().to_lowercase();
        (sign_in || key.to_lowercase() == name.to_lowercase())
            && ["failure", "failed"].contains(&word.as_str())
    };
    let results = ["responseElements", "serviceEventDetails"].map(|place| event[place].as_object());
    match results.into_iter().flatten().flatten().any(failed) {
        true => "ERROR",
        false => "INFO",
    }
}

fn time(text: &str) -> Option<u64> {
    let text = text.trim().replacen(' ', "T", 1);
    let timestamp: jiff::Timestamp = text.parse().or_else(|_| format!("{text}Z").parse()).ok()?;
    timestamp.as_nanosecond().try_into().ok()
}

fn hash(text: &str, bytes: usize) -> String {
    hex::encode(&Sha256::digest(text)[..bytes])
}

fn trace_of(prefix: &str, id: &str) -> String {
    let digits = id.replace('-', "").to_lowercase();
    let dashed = [8, 13, 18, 23]
        .iter()
        .all(|at| id.as_bytes().get(*at) == Some(&b'-'));
    let is_uuid = dashed && id.len() == 36 && digits.len() == 32 && hex::decode(&digits).is_ok();
    if is_uuid && digits.contains(|digit| digit != '0') {
        digits
    } else {
        hash(&format!("{prefix}:{id}"), 16)
    }
}

fn trace_id(event: &Value, record: &str) -> String {
    if let Some(id) = conversation(event) {
        return trace_of("qtrail.conversation", id);
    }
    let principal = shown_at(event, "/userIdentity/principalId");
    let created = shown_at(
        event,
        "/userIdentity/sessionContext/attributes/creationDate",
    );
    if let (true, Some(principal), Some(created)) = (is_amazon_q(event), principal, created) {
        let account = shown_at(event, "/userIdentity/accountId").unwrap_or_default();
        return hash(
            &format!("qtrail.session:{account}/{principal}/{created}"),
            16,
        );
    }
    match shown_at(event, id_pointer(event)) {
        Some(id) => trace_of("qtrail.event", id),
        None => hash(&format!("qtrail.event:{record}"), 16),
    }
}

/// Some services write `eventId`; the usual spelling wins.
fn id_pointer(event: &Value) -> &'static str {
    match event["eventID"] {
        Value::Null => "/eventId",
        _ => "/eventID",
    }
}

/// `None` where the record has no time.
fn central(event: &Value, record: &[u8]) -> Option<Central> {
    // An identity that is no object is none that anyone can read.
    match &event["userIdentity"] {
        Value::String(text) if !text.is_empty() => return None,
        Value::Array(items) if !items.is_empty() => return None,
        _ => {}
    }
    let record = std::str::from_utf8(record).ok()?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let account = shown_at(event, "/recipientAccountId");
    Some(Central {
        time: time(text_at(event, "/eventTime")?)?,
        trace_id: trace_id(event, record),
        span_id: match shown_at(event, id_pointer(event)) {
            Some(id) => hash(&format!("qtrail.span:{id}"), 8),
            None => hash(record, 8),
        },
        severity: severity(event).to_owned(),
        class: Some(class(event).to_owned()),
        invoked_by: owned(invokers(event).next()),
        conversation: owned(conversation(event)),
        account: owned(account.or_else(|| shown_at(event, "/userIdentity/accountId"))),
        region: owned(shown_at(event, "/awsRegion")),
    })
}
