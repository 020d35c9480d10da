//! What was read of a trail.
//!
//! Enters: names of files, and the attributes of events. Leaves: what there is at all. What must hold: memory does not
//! grow with the number of files or events.

use std::collections::BTreeSet;

use qtrail_core::convert::{Field, Head, Sink, Value};

use super::wanted::{AMAZON_Q, OTHER_AGENTS};
use crate::integrity::DigestName;

/// Accounts, regions or trails that are told: some names come from records, which may hold anything.
const NAMES: usize = 256;

/// Event sources of global services.
const GLOBAL: [&str; 5] = [
    "iam.amazonaws.com",
    "cloudfront.amazonaws.com",
    "route53.amazonaws.com",
    "organizations.amazonaws.com",
    "globalaccelerator.amazonaws.com",
];

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The paths that were given.
    roots: Vec<String>,
    pub(crate) events: u64,
    /// Those that EventBridge delivered.
    pub(crate) by_event_bridge: u64,
    /// Those of agents.
    pub(super) of_agents: u64,
    pub(super) data_events: u64,
    pub(super) management_events: u64,
    /// Management events that read.
    pub(super) reads: bool,
    /// Management events that write.
    pub(super) writes: bool,
    /// Management events of global services.
    pub(super) has_global: bool,
    /// Event sources of the data events that agents need, as far as there are any.
    pub(super) sources: BTreeSet<&'static str>,
    pub(crate) accounts: BTreeSet<String>,
    pub(crate) regions: BTreeSet<String>,
    /// Times of the first and the last event, in nanoseconds since 1970.
    pub(crate) range: Option<(i64, i64)>,
    pub(crate) digests: u64,
    /// Names and home regions of trails, from the names of digests.
    pub(super) trails: BTreeSet<(String, String)>,
    /// Whether the folders of an account were read, where its digests would be.
    pub(super) has_accounts: bool,
    /// Whether a folder of one region was read without those beside it.
    pub(super) is_part: bool,
    event: Event,
}

/// The event that is being read.
#[derive(Debug, Default)]
struct Event {
    source: String,
    category: String,
    region: String,
    management: Option<bool>,
    read_only: Option<bool>,
    is_of_agent: bool,
}

impl Seen {
    /// Nothing yet. `roots`: the paths that were given.
    pub(crate) fn below(roots: Vec<String>) -> Seen {
        Seen {
            roots,
            ..Seen::default()
        }
    }

    /// A file is read.
    pub(crate) fn file(&mut self, name: &str) {
        let is_in_layout = |path: &str| {
            let mut folders = path.split('/');
            folders.any(|folder| folder == "CloudTrail" || folder == "CloudTrail-Digest")
        };
        let below = |root: &String| name.strip_prefix(root.trim_end_matches('/'));
        match self.roots.iter().filter_map(below).any(is_in_layout) {
            true => self.has_accounts = true,
            false => self.is_part |= is_in_layout(name),
        }
        let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
        let Some((account, rest)) = file.split_once("_CloudTrail") else {
            return;
        };
        let mut parts = rest.split('_').skip(1);
        let Some(region) = parts.next() else {
            return;
        };
        if let Some(digest) = DigestName::parse(file, region) {
            put(&mut self.trails, (digest.chain.trail, digest.chain.home));
        }
        if has_cloudtrails_name(file) {
            put(&mut self.accounts, account.to_owned());
            put(&mut self.regions, region.to_owned());
        }
    }

    /// A digest was read.
    pub(crate) fn digest(&mut self) {
        self.digests += 1;
    }

    fn add(&mut self, event: &Event) {
        self.events += 1;
        self.of_agents += u64::from(event.is_of_agent);
        // Older events have no category.
        let category = match (event.category.as_str(), event.management) {
            ("", Some(false)) => "Data",
            ("", _) => "Management",
            (category, _) => category,
        };
        if category == "Data" {
            self.data_events += 1;
            let wanted = AMAZON_Q.iter().chain(OTHER_AGENTS);
            let source = wanted
                .map(|wanted| wanted.source)
                .find(|source| *source == event.source);
            self.sources.extend(source);
        }
        if category == "Management" {
            self.management_events += 1;
            self.reads |= event.read_only == Some(true);
            self.writes |= event.read_only == Some(false);
            let is_sts = event.source == "sts.amazonaws.com" && event.region == "us-east-1";
            self.has_global |= is_sts || GLOBAL.contains(&event.source.as_str());
        }
    }
}

/// Whether a file has a name that CloudTrail gives.
fn has_cloudtrails_name(file: &str) -> bool {
    qtrail_core::convert::observed_time(file, None).is_some()
}

fn put<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    if set.len() < NAMES {
        set.insert(value);
    }
}

impl Sink for Seen {
    fn begin(&mut self, head: &Head<'_>) {
        let (first, last) = self.range.unwrap_or((head.time, head.time));
        self.range = Some((first.min(head.time), last.max(head.time)));
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let resource = &head.resource;
        self.event = Event {
            region: text(resource.region.as_deref()),
            ..Event::default()
        };
        let names = [
            (&mut self.accounts, text(resource.account_id.as_deref())),
            (&mut self.regions, text(resource.region.as_deref())),
        ];
        for (set, name) in names {
            if !name.is_empty() {
                put(set, name);
            }
        }
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        let event = &mut self.event;
        match (field.name, value) {
            ("aws.cloudtrail.event_source", Value::Str(text)) => event.source = text.to_string(),
            ("aws.event.category", Value::Str(text)) => event.category = text.to_string(),
            ("qtrail.event.class", Value::Str(text)) => event.is_of_agent = text != "other",
            ("aws.event.management", Value::Bool(flag)) => event.management = Some(*flag),
            ("aws.event.read_only", Value::Bool(flag)) => event.read_only = Some(*flag),
            _ => {}
        }
    }

    fn end(&mut self) {
        let event = std::mem::take(&mut self.event);
        self.add(&event);
    }
}
