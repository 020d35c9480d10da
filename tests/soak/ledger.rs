//! What was made, what became of it, and whether that is right.
//!
//! Enters: each event as it is made, acknowledged, given up by its writer, taken by the collector, found in
//! the dead letters. Leaves: what is missing, and the findings. What must hold: what an event is to become is
//! computed from its text by the naive converter, not by qtrail's code.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use qtrail_core::otlp::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::oracle::naive;
use crate::support::collector::{is_own, log_id, span_id};
use crate::support::manifests::{Manifest, sha256};

/// Findings that are told one by one.
const TOLD: usize = 20;

/// The collector's words for a partial success.
pub(super) const SOME_REFUSED: &str = "some were refused";

/// What an event is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A log record and a span.
    Event,
    /// A dead letter: no reader can read it.
    Broken,
    /// A dead letter: the collector refuses it.
    Poison,
}

/// How far its sender has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Debt {
    /// Nobody has promised anything yet.
    Made,
    /// It was acknowledged, or is in the directory.
    Owed,
    /// Its writer took it away before it was read.
    Excused,
}

/// Its trace, its span and its time.
type Place = (Vec<u8>, Vec<u8>, u64);

struct Event {
    input: &'static str,
    kind: Kind,
    debt: Debt,
    place: Option<Place>,
    /// How often each signal came, and the hash of what came first.
    came: [(u32, [u8; 16]); 2],
    letter: bool,
}

/// A whole file or object: how many records it has, and its manifest records.
#[derive(Debug, Default)]
struct File {
    records: Option<u64>,
    /// What its manifest records say.
    read: Option<u64>,
}

/// A row of the table: events by what became of them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Row {
    pub(super) made: u64,
    pub(super) owed: u64,
    pub(super) arrived: u64,
    pub(super) letters: u64,
    pub(super) repeated: u64,
    pub(super) excused: u64,
    pub(super) lost: u64,
}

#[derive(Default)]
struct State {
    events: HashMap<String, Event>,
    /// Records that the collector said it did not take, and did not say which.
    not_taken: HashMap<(Signal, String), u32>,
    /// By the hash of what they hold.
    files: HashMap<String, File>,
    /// Manifest records that came.
    manifests: u64,
    findings: Vec<String>,
    wrong: u64,
}

/// The ledger. What threads share.
#[derive(Default)]
pub(super) struct Ledger(Mutex<State>);

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event was made.
    pub(super) fn made(&self, input: &'static str, id: &str, kind: Kind, record: &str) {
        let place = match kind {
            Kind::Broken => None,
            _ => {
                let mut naive =
                    naive::convert(record.as_bytes(), false, &naive::Known::default()).exported;
                let central = naive.pop().expect("an event of Amazon Q's");
                let bytes = |id: &str| hex::decode(id).unwrap();
                Some((
                    bytes(&central.trace_id),
                    bytes(&central.span_id),
                    central.time,
                ))
            }
        };
        let event = Event {
            input,
            kind,
            debt: Debt::Made,
            place,
            came: [(0, [0; 16]); 2],
            letter: false,
        };
        let known = self.state().events.insert(id.to_owned(), event);
        assert!(known.is_none(), "{id} was made twice");
    }

    /// Events were acknowledged, or put where qtrail is to find them.
    pub(super) fn owe<S: AsRef<str>>(&self, ids: &[S]) {
        let mut state = self.state();
        for id in ids {
            if let Some(event) = state.events.get_mut(id.as_ref())
                && event.debt == Debt::Made
            {
                event.debt = Debt::Owed;
            }
        }
    }

    /// A file or an object is whole, and of so many records: it is owed a manifest record. Returns the hash of what it
    /// holds.
    pub(super) fn owe_manifest(&self, inflated: &[u8], records: usize) -> String {
        let hash = sha256(inflated);
        let mut state = self.state();
        state.files.entry(hash.clone()).or_default().records = Some(records as u64);
        hash
    }

    /// Whether a file has its manifest record.
    pub(super) fn has_manifest(&self, hash: &str) -> bool {
        self.state()
            .files
            .get(hash)
            .is_some_and(|file| file.read.is_some())
    }

    /// What of these did not arrive yet may be lost: it was taken away.
    pub(super) fn excuse<S: AsRef<str>>(&self, ids: &[S]) {
        let mut state = self.state();
        for id in ids {
            if let Some(event) = state.events.get_mut(id.as_ref())
                && !event.is_settled()
            {
                event.debt = Debt::Excused;
            }
        }
    }

    /// Whether each of these is where it belongs.
    pub(super) fn all_settled<S: AsRef<str>>(&self, ids: &[S]) -> bool {
        let state = self.state();
        ids.iter().all(|id| state.events[id.as_ref()].is_settled())
    }

    /// The collector took a request but for these records of it.
    pub(super) fn not_taken(&self, signal: Signal, ids: &[String]) {
        let mut state = self.state();
        for id in ids {
            *state.not_taken.entry((signal, id.clone())).or_default() += 1;
        }
    }

    /// The collector took log records.
    pub(super) fn logs(&self, request: &ExportLogsServiceRequest) {
        let mut state = self.state();
        for resource in &request.resource_logs {
            for scope in &resource.scope_logs {
                for log in &scope.log_records {
                    if is_own(log) {
                        state.manifest(Manifest::of(log).as_ref());
                        continue;
                    }
                    let around = (resource.resource.encode(), scope.scope.encode());
                    let place = (
                        log.trace_id.clone(),
                        log.span_id.clone(),
                        log.time_unix_nano,
                    );
                    let hash = hash(&around, &log.encode_to_vec());
                    state.came(Signal::Logs, log_id(log), &place, hash);
                }
            }
        }
    }

    /// The collector took spans.
    pub(super) fn spans(&self, request: &ExportTraceServiceRequest) {
        let mut state = self.state();
        for resource in &request.resource_spans {
            for scope in &resource.scope_spans {
                for span in &scope.spans {
                    let around = (resource.resource.encode(), scope.scope.encode());
                    let place = (
                        span.trace_id.clone(),
                        span.span_id.clone(),
                        span.start_time_unix_nano,
                    );
                    let hash = hash(&around, &span.encode_to_vec());
                    state.came(Signal::Traces, span_id(span), &place, hash);
                }
            }
        }
    }

    /// A line of the dead letters.
    pub(super) fn letter(&self, line: &str) {
        let mut state = self.state();
        let Ok(letter) = serde_json::from_str::<Value>(line) else {
            return state.wrong(format!("a dead letter is no JSON: {line:.200}"));
        };
        let message = letter["message"].as_str().unwrap_or_default();
        let partial = letter["uncertain"] == true || message.contains(SOME_REFUSED);
        let records = letter["records"].as_array().cloned().unwrap_or_default();
        for letter in std::iter::once(&letter).chain(&records) {
            let record = letter["record"].as_str().unwrap_or_default();
            for id in ids_in(record) {
                match state.events.get_mut(&id) {
                    None => state.wrong(format!("{id} is in the dead letters and was never made")),
                    // A file that was read before it was whole: the rest comes, and with it this one.
                    Some(event) if event.kind == Kind::Event && letter["reason"] == "truncated" => {
                    }
                    Some(event) => {
                        event.letter = true;
                        if event.kind == Kind::Event && !partial {
                            let reason = &letter["reason"];
                            state.wrong(format!(
                                "{id} is a dead letter, and nothing is wrong with it: {reason}: {message}"
                            ));
                        }
                    }
                }
            }
        }
    }

    /// Says that something is wrong.
    pub(super) fn wrong(&self, finding: String) {
        self.state().wrong(finding);
    }

    /// How many events are not yet where they belong.
    pub(super) fn missing(&self) -> usize {
        let state = self.state();
        let files = state.files.values().filter(|file| file.is_missing());
        let events = state.events.values().filter(|event| event.is_missing());
        events.count() + files.count()
    }

    /// How many manifest records came, and of how many whole files and objects.
    pub(super) fn manifests(&self) -> (u64, usize) {
        let state = self.state();
        let files = state.files.values().filter(|file| file.records.is_some());
        (state.manifests, files.count())
    }

    /// The findings, those of the end too; and the table.
    pub(super) fn close(&self) -> (u64, Vec<String>, BTreeMap<&'static str, Row>) {
        let mut state = self.state();
        let mut rows: BTreeMap<&'static str, Row> = BTreeMap::new();
        let mut lost = Vec::new();
        for (id, event) in &state.events {
            let row = rows.entry(event.input).or_default();
            row.made += 1;
            row.owed += u64::from(event.debt == Debt::Owed);
            row.excused += u64::from(event.debt == Debt::Excused && !event.is_settled());
            row.arrived += u64::from(event.came.iter().all(|(times, _)| *times > 0));
            row.letters += u64::from(event.letter);
            row.repeated += u64::from(event.came.iter().any(|(times, _)| *times > 1));
            if event.is_missing() {
                row.lost += 1;
                let [(logs, _), (spans, _)] = event.came;
                let (input, kind) = (event.input, event.kind);
                lost.push(format!(
                    "lost: {id} of {input} ({kind:?}): {logs} log records, {spans} spans, no dead letter"
                ));
            }
        }
        for (hash, file) in &state.files {
            match (file.records, file.read) {
                (Some(_), None) => lost.push(format!("a file has no manifest record: {hash}")),
                (Some(made), Some(read)) if made != read => lost.push(format!(
                    "a file of {made} records has {read} in its manifest record: {hash}"
                )),
                _ => {}
            }
        }
        lost.sort();
        for finding in lost {
            state.wrong(finding);
        }
        (state.wrong, state.findings.clone(), rows)
    }
}

impl File {
    fn is_missing(&self) -> bool {
        self.records.is_some() && self.read.is_none()
    }
}

impl Event {
    /// Whether it is where it belongs.
    fn is_settled(&self) -> bool {
        match self.kind {
            Kind::Event => self.letter || self.came.iter().all(|(times, _)| *times > 0),
            Kind::Broken | Kind::Poison => self.letter,
        }
    }

    fn is_missing(&self) -> bool {
        self.debt == Debt::Owed && !self.is_settled()
    }
}

impl State {
    fn wrong(&mut self, finding: String) {
        self.wrong += 1;
        if self.findings.len() < TOLD {
            self.findings.push(finding);
        }
    }

    fn manifest(&mut self, manifest: Option<&Manifest>) {
        let Some(manifest) = manifest else {
            return self.wrong("a record of qtrail's own is no manifest record".to_owned());
        };
        self.manifests += 1;
        if !manifest.balances() {
            self.wrong(format!("does not balance: {manifest:?}"));
        }
        let Some(hash) = manifest.text("sha256").filter(|_| !manifest.is_part()) else {
            return;
        };
        // One that is not whole yet may be read, too.
        let file = self.files.entry(hash.to_owned()).or_default();
        let read = manifest.number("read");
        if file.read.replace(read).is_some_and(|before| before != read) {
            self.wrong(format!("said something else before: {manifest:?}"));
        }
    }

    fn came(&mut self, signal: Signal, id: String, place: &Place, hash: [u8; 16]) {
        if let Entry::Occupied(mut left) = self.not_taken.entry((signal, id.clone())) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
            return;
        }
        let Some(event) = self.events.get_mut(&id) else {
            return self.wrong(format!(
                "invented: {id:?} came as {signal:?} and was never made"
            ));
        };
        let came = &mut event.came[usize::from(signal == Signal::Traces)];
        let first = came.0 == 0;
        let same = first || came.1 == hash;
        *came = (came.0 + 1, if first { hash } else { came.1 });
        let (kind, expected) = (event.kind, event.place.clone());
        if kind != Kind::Event {
            self.wrong(format!(
                "invented: {id} came as {signal:?}, and is {kind:?}"
            ));
        }
        if expected.as_ref() != Some(place) {
            self.wrong(format!(
                "changed: {signal:?} of {id}: {place:?} instead of {expected:?}"
            ));
        }
        if !same {
            self.wrong(format!(
                "changed: {signal:?} of {id} came again as another record"
            ));
        }
    }
}

/// Encodes what is there.
trait Encode {
    fn encode(&self) -> Vec<u8>;
}

impl<M: Message> Encode for Option<M> {
    fn encode(&self) -> Vec<u8> {
        self.as_ref()
            .map(Message::encode_to_vec)
            .unwrap_or_default()
    }
}

fn hash(around: &(Vec<u8>, Vec<u8>), record: &[u8]) -> [u8; 16] {
    let mut sha256 = Sha256::new();
    for part in [&around.0, &around.1, record] {
        sha256.update(part.len().to_be_bytes());
        sha256.update(part);
    }
    sha256.finalize()[..16].try_into().unwrap()
}

/// The ids in a text, whether or not it is JSON.
fn ids_in(text: &str) -> impl Iterator<Item = String> {
    let after = text.split(r#""eventID":""#).skip(1);
    after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
}
