//! The small trail that the demo shows and tests rely on.

use std::collections::BTreeMap;
use std::io::Write;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::amazon_q::{self, on_behalf_of};
use super::identity::Who;
use super::noise;
use super::people::{ARNAV, MARY, NIKKI, PAULO, Person, Q_CLI};
use super::record::{self, Call, Setting};
use super::template::{alphanumerics, timestamp, uuid};
use qtrail_core::event::amazon_q::Class;

/// What is in the demo's trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The number of files, including a digest file without events.
    pub files: u64,
    /// Records, the broken one among them.
    pub read: u64,
    /// Amazon Q's events, the repeat counted twice.
    pub exported: u64,
    /// Other services' events.
    pub filtered: u64,
    /// The broken record.
    pub dead_lettered: u64,
    /// Things that are no log files: the digest file.
    pub skipped: u64,
    /// Amazon Q's events by class, the repeat counted twice.
    pub classes: BTreeMap<Class, u64>,
    /// Conversations, by the ids in their events.
    pub conversations: u64,
    /// The `eventID` of the event that is in two files.
    pub repeated: String,
}

/// A trail of a few files, delivered in the half hour before `now` (seconds since 1970): each
/// file's path below the trail's directory, and its bytes. The same time and seed give the same bytes;
/// another seed gives other ids of events, conversations and sessions.
pub fn demo_trail(now: i64, seed: u64) -> Vec<(String, Vec<u8>)> {
    tell(now, seed).0
}

/// What [`demo_trail`] holds, whatever the time.
pub fn demo_expected(seed: u64) -> Expected {
    tell(0, seed).1
}

const ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "444455556666";

fn tell(now: i64, seed: u64) -> (Vec<(String, Vec<u8>)>, Expected) {
    let mut teller = Teller::new(now, seed);
    let first = teller.first_questions();
    let repeated = teller.repeat.clone();
    let second = teller.actions();
    let third = teller.command_line_and_ide();
    let organization = teller.organization(repeated);
    let other = teller.other_account();
    let last = teller.noise_file();
    let files = vec![
        teller.file(ACCOUNT, 25, &first),
        teller.file(ACCOUNT, 20, &second),
        teller.file(ACCOUNT, 14, &third),
        teller.file(&format!("o-exampleorgid/{ACCOUNT}"), 13, &organization),
        teller.file(OTHER_ACCOUNT, 9, &other),
        teller.file(ACCOUNT, 4, &last),
        teller.digest(),
    ];
    (files, teller.expected)
}

/// How many seconds ago people may have signed in.
const SIGNED_IN: std::ops::Range<i64> = 2_400..30_000;

/// The ids of conversations, by who talks.
struct Conversations {
    mary: u128,
    paulo: u128,
    nikki: u128,
}

/// Makes the records, and counts them.
struct Teller {
    now: i64,
    /// When everybody signed in.
    signed_in: i64,
    conversations: Conversations,
    account: &'static str,
    rng: Rng,
    expected: Expected,
    /// The event that another file will hold too.
    repeat: String,
}

impl Teller {
    fn new(now: i64, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        Teller {
            now,
            signed_in: now - rng.i64(SIGNED_IN),
            conversations: Conversations {
                mary: rng.u128(..),
                paulo: rng.u128(..),
                nikki: rng.u128(..),
            },
            account: ACCOUNT,
            rng,
            expected: Expected {
                files: 7,
                read: 0,
                exported: 0,
                filtered: 0,
                dead_lettered: 0,
                skipped: 1,
                classes: BTreeMap::new(),
                conversations: 3,
                repeated: String::new(),
            },
            repeat: String::new(),
        }
    }

    /// Mary asks what she has; Amazon Q looks it up for her. Out of order, as trails are.
    fn first_questions(&mut self) -> Vec<String> {
        let id = self.conversations.mary;
        let mary = |teller: &mut Self, call, ago| teller.says(call, ago, &MARY, id);
        let start = mary(self, &amazon_q::START_CONVERSATION, 1_745);
        let message = mary(self, &amazon_q::SEND_MESSAGE, 1_738);
        let pass = self.q(
            &amazon_q::PASS_REQUEST,
            1_735,
            on_behalf_of(&MARY),
            Class::PassRequest,
        );
        let buckets = self.for_person(&amazon_q::LIST_BUCKETS, 1_734, &MARY);
        let again = mary(self, &amazon_q::SEND_MESSAGE, 1_690);
        let instances = self.for_person(&amazon_q::DESCRIBE_INSTANCES, 1_688, &MARY);
        self.repeat.clone_from(&message);
        let mut records = self.noise(6, 1_740);
        records.extend([message, start]);
        records.extend(self.noise(3, 1_720));
        records.extend([buckets, pass, again, instances]);
        records.extend(self.noise(4, 1_680));
        records
    }

    /// Mary lets Amazon Q try something; a record is broken on the way.
    fn actions(&mut self) -> Vec<String> {
        let id = self.conversations.mary;
        let ask = self.says(&amazon_q::SEND_MESSAGE, 1_430, &MARY, id);
        let probe = self.for_person(&amazon_q::DRY_RUN, 1_427, &MARY);
        let denied = self.for_person(&amazon_q::DENIED, 1_424, &MARY);
        let broken = self.broken(1_425);
        let thanks = self.says(&amazon_q::SEND_MESSAGE, 1_380, &MARY, id);
        let mut records = self.noise(5, 1_450);
        records.extend([ask, denied, broken, probe]);
        records.extend(self.noise(4, 1_410));
        records.push(thanks);
        records
    }

    /// Nikki works in a terminal and an IDE.
    fn command_line_and_ide(&mut self) -> Vec<String> {
        let cli = (amazon_q::itself(&NIKKI), Q_CLI, NIKKI.address);
        let list = self.q(&amazon_q::LIST_BUCKETS, 1_090, cli, Class::AgentCall);
        let describe = self.q(&amazon_q::DESCRIBE_INSTANCES, 1_085, cli, Class::AgentCall);
        let ide = amazon_q::ide(&NIKKI);
        let chat = self.in_conversation(
            &amazon_q::IDE_CHAT,
            1_052,
            ide,
            Class::Conversation,
            self.conversations.nikki,
        );
        let told = self.in_conversation(
            &amazon_q::IDE_TELEMETRY,
            1_045,
            ide,
            Class::Telemetry,
            self.conversations.nikki,
        );
        let completion = self.q(&amazon_q::COMPLETION, 1_044, ide, Class::Code);
        let mut records = self.noise(5, 1_095);
        records.extend([describe, list, chat, told, completion]);
        records.extend(self.noise(3, 1_040));
        records
    }

    /// The organization's trail delivers Mary's first message once more.
    fn organization(&mut self, repeat: String) -> Vec<String> {
        self.count(Class::Conversation);
        let mut records = self.noise(2, 1_739);
        records.push(repeat);
        records
    }

    /// Paulo asks from another account, whose administrator lets somebody in.
    fn other_account(&mut self) -> Vec<String> {
        self.account = OTHER_ACCOUNT;
        let id = self.conversations.paulo;
        let paulo = |teller: &mut Self, call, ago| teller.says(call, ago, &PAULO, id);
        let start = paulo(self, &amazon_q::START_CONVERSATION, 780);
        let ask = paulo(self, &amazon_q::SEND_MESSAGE, 771);
        let functions = self.for_person(&amazon_q::LIST_FUNCTIONS, 769, &PAULO);
        let more = paulo(self, &amazon_q::SEND_MESSAGE, 735);
        let admin = (amazon_q::itself(&ARNAV), ARNAV.browser, ARNAV.address);
        let assign = self.q(
            &amazon_q::CREATE_ASSIGNMENT,
            740,
            admin,
            Class::Administration,
        );
        let mut records = self.noise(4, 790);
        records.extend([start, ask, functions, assign, more]);
        records.extend(self.noise(2, 730));
        self.account = ACCOUNT;
        records
    }

    fn noise_file(&mut self) -> Vec<String> {
        self.noise(8, 480)
    }

    /// One of a conversation's own events, from the console.
    fn says(&mut self, call: &Call, ago: i64, who: &'static Person, conversation: u128) -> String {
        let caller = (amazon_q::itself(who), who.browser, who.address);
        self.in_conversation(call, ago, caller, Class::Conversation, conversation)
    }

    fn for_person(&mut self, call: &Call, ago: i64, person: &'static Person) -> String {
        self.q(call, ago, on_behalf_of(person), Class::OnBehalfOf)
    }

    fn q(&mut self, call: &Call, ago: i64, caller: Caller, class: Class) -> String {
        self.in_conversation(call, ago, caller, class, 0)
    }

    fn in_conversation(
        &mut self,
        call: &Call,
        ago: i64,
        caller: Caller,
        class: Class,
        conversation: u128,
    ) -> String {
        self.count(class);
        let mut at = self.setting(ago);
        at.conversation = conversation;
        (at.identity, at.agent, at.address) = caller;
        if self.expected.repeated.is_empty() && call.name == "SendMessage" {
            uuid(&mut self.expected.repeated, at.event_id);
        }
        self.record(call, &at)
    }

    fn count(&mut self, class: Class) {
        self.expected.read += 1;
        self.expected.exported += 1;
        *self.expected.classes.entry(class).or_default() += 1;
    }

    /// A `PassRequest` that lacks a brace, as in the sample that AWS publishes.
    fn broken(&mut self, ago: i64) -> String {
        self.expected.read += 1;
        self.expected.dead_lettered += 1;
        let mut at = self.setting(ago);
        (at.identity, at.agent, at.address) = on_behalf_of(&MARY);
        let whole = self.record(&amazon_q::PASS_REQUEST, &at);
        whole.replacen(r#""false"}},"invokedBy""#, r#""false"},"invokedBy""#, 1)
    }

    fn noise(&mut self, count: u64, ago: i64) -> Vec<String> {
        self.expected.read += count;
        self.expected.filtered += count;
        (0..count as i64)
            .map(|i| {
                let mut at = self.setting(ago - i / 2);
                let call = noise::next(&mut at, &mut self.rng);
                self.record(call, &at)
            })
            .collect()
    }

    fn setting(&mut self, ago: i64) -> Setting {
        Setting {
            time: self.now - ago,
            signed_in: Some(self.signed_in),
            account: self.account,
            region: "us-east-1",
            identity: Who::Untyped,
            agent: "",
            address: "",
            conversation: 0,
            event_id: self.rng.u128(..),
        }
    }

    fn record(&mut self, call: &Call, at: &Setting) -> String {
        let mut text = String::new();
        record::write(&mut text, call, at, &mut self.rng);
        text
    }

    fn file(&mut self, owner: &str, minutes: i64, records: &[String]) -> (String, Vec<u8>) {
        let mut random = String::new();
        alphanumerics(&mut random, 16, &mut self.rng);
        let time = timestamp(self.now - minutes * 60);
        let (folder, minute) = (time.strftime("%Y/%m/%d"), time.strftime("%Y%m%dT%H%MZ"));
        let account = owner.rsplit('/').next().unwrap_or(owner);
        let name = format!(
            "AWSLogs/{owner}/CloudTrail/us-east-1/{folder}/{account}_CloudTrail_us-east-1_{minute}_{random}.json.gz"
        );
        (
            name,
            gzip(&format!(r#"{{"Records":[{}]}}"#, records.join(","))),
        )
    }

    /// The digest file that CloudTrail's log file integrity adds every hour.
    fn digest(&self) -> (String, Vec<u8>) {
        let end = timestamp(self.now - 120);
        let start = timestamp(self.now - 3_720);
        let (folder, minute) = (end.strftime("%Y/%m/%d"), end.strftime("%Y%m%dT%H%M%SZ"));
        let name = format!(
            "AWSLogs/{ACCOUNT}/CloudTrail-Digest/us-east-1/{folder}/{ACCOUNT}_CloudTrail-Digest_us-east-1_trail_us-east-1_{minute}.json.gz"
        );
        let text = format!(
            r#"{{"awsAccountId":"{ACCOUNT}","digestStartTime":"{start}","digestEndTime":"{end}","digestS3Bucket":"amzn-s3-demo-bucket","digestS3Object":"{name}","digestPublicKeyFingerprint":"31e8b5433410dfb61a9dc45cc65b22ff","digestSignatureAlgorithm":"SHA256withRSA","newestEventTime":null,"oldestEventTime":null,"previousDigestS3Bucket":null,"previousDigestS3Object":null,"previousDigestHashValue":null,"previousDigestHashAlgorithm":null,"previousDigestSignature":null,"logFiles":[]}}"#
        );
        (name, gzip(&text))
    }
}

type Caller = (Who, &'static str, &'static str);

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a Vec cannot fail.
    let _ = gzip.write_all(text.as_bytes());
    gzip.finish().unwrap_or_default()
}
