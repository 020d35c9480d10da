//! The order of a report: people, their conversations, what was done in each.
//!
//! Enters: events with their relations, and a filter. Leaves: [`Person`]s with [`Group`]s of [`Row`]s. What must
//! hold: each event that the filter wants is in one row; the order follows from the events alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::event::{Event, Text};
use super::filter::Filter;
use super::relations::{Relation, conversation};

/// A person, with what agents did for them.
#[derive(Debug, Default)]
pub(crate) struct Person<'e> {
    /// The name, as the record or the `identities` file has it.
    pub(crate) name: Option<&'e str>,
    /// `enduser.id`.
    pub(crate) id: Option<&'e str>,
    /// Accounts of the person's credentials.
    pub(crate) accounts: BTreeSet<&'e str>,
    /// Types of the person's credentials, such as `IAMUser`.
    pub(crate) types: BTreeSet<&'e str>,
    pub(crate) roles: BTreeSet<&'e str>,
    /// Whether sign-ins with and without MFA were seen.
    pub(crate) mfa: BTreeSet<bool>,
    pub(crate) counts: Counts,
    pub(crate) groups: Vec<Group<'e>>,
}

/// One conversation, or what was done without a known one by one agent in one way.
#[derive(Debug, Default)]
pub(crate) struct Group<'e> {
    pub(crate) conversation: Option<&'e str>,
    /// The agents, with what each of them called through.
    pub(crate) agents: BTreeSet<String>,
    pub(crate) through: BTreeSet<&'e str>,
    /// Times of the first and the last event, in nanoseconds since 1970.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) counts: Counts,
    pub(crate) rows: Vec<Row<'e>>,
}

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'e> {
    pub(crate) event: &'e Event,
    pub(crate) relation: Relation,
    /// The event that is the reason for this one.
    pub(crate) parent: Option<&'e Event>,
    /// The event that has the conversation's id.
    pub(crate) conversation: Option<&'e str>,
    /// Whether the row is below its tool call.
    pub(crate) nested: bool,
}

/// Sums over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) messages: u64,
    pub(crate) calls: u64,
    pub(crate) denied: u64,
    pub(crate) errors: u64,
    /// Calls that changed something.
    pub(crate) changed: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, event: &Event) {
        self.events += 1;
        self.messages += u64::from(kind(event) == Kind::Message);
        self.calls += u64::from(kind(event) == Kind::Call);
        self.denied += u64::from(event.get(Text::Outcome) == "denied");
        self.errors += u64::from(event.get(Text::Outcome) == "error");
        self.changed += u64::from(is_write(event) && event.get(Text::Outcome) == "success");
    }
}

/// What an event is in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A person's message to an agent.
    Message,
    /// A call of an API.
    Call,
    /// A call of an agent's tool, which may make calls of APIs.
    Tool,
    /// Any other event of an agent's own service.
    Own,
}

/// What an event is in a report.
pub(crate) fn kind(event: &Event) -> Kind {
    match event.get(Text::Class) {
        "tool_call" => Kind::Tool,
        _ if event.service().starts_with("aws-mcp") => Kind::Tool,
        "on_behalf_of" | "agent_call" | "other" => Kind::Call,
        _ if event.get(Text::Operation) == "chat" => Kind::Message,
        _ => Kind::Own,
    }
}

/// Whether an event is a call that changes something if it succeeds. An agent's own events change nothing outside
/// the agent, except those that set it up.
pub(crate) fn is_write(event: &Event) -> bool {
    let is_call = kind(event) == Kind::Call;
    event.read_only == Some(false) && (is_call || event.get(Text::Class) == "administration")
}

/// The agent; empty where nothing names it.
pub(crate) fn agent(event: &Event) -> &str {
    match (event.get(Text::Agent), event.get(Text::Class)) {
        // Only Amazon Q has events of these classes.
        ("", "conversation" | "pass_request" | "code" | "telemetry") => "Amazon Q Developer",
        (agent, _) => agent,
    }
}

/// What a call without an invoking service went through.
pub(crate) const OWN: &str = "own credentials";

/// What the call went through: the invoking service, or the person's own credentials.
pub(crate) fn through(event: &Event) -> &str {
    match (event.get(Text::InvokedBy), kind(event)) {
        // AWS recorded the agent's service as the address.
        ("", Kind::Call) if event.get(Text::Class) == "on_behalf_of" => {
            event.get(Text::SourceAddress)
        }
        ("", Kind::Call) => OWN,
        ("", _) => event.get(Text::Service),
        (service, _) => service,
    }
}

/// The events that the filter wants, by person and conversation.
pub(crate) fn people<'e>(
    events: &[&'e Event],
    relations: &[Relation],
    filter: &Filter,
) -> Vec<Person<'e>> {
    let mut people = Vec::new();
    let mut by_person: HashMap<(&str, &str), usize> = HashMap::new();
    let mut by_group: HashMap<(usize, GroupKey<'_>), usize> = HashMap::new();
    for place in 0..events.len() {
        let row = row(place, events, relations);
        if !filter.wants(&row) {
            continue;
        }
        let person = *by_person.entry(person_key(row.event)).or_insert_with(|| {
            people.push(Person::default());
            people.len() - 1
        });
        let of_person: &mut Person<'e> = &mut people[person];
        of_person.add(row.event);
        let key = (person, group_key(&row));
        let group = *by_group.entry(key).or_insert_with(|| {
            of_person.groups.push(Group::new(&row));
            of_person.groups.len() - 1
        });
        of_person.groups[group].add(row);
    }
    for group in people.iter_mut().flat_map(|person| &mut person.groups) {
        group.nest();
    }
    beside_each_other(&mut people);
    people
}

/// Moves people of one name together: often one person with several credentials. Otherwise the first who did
/// something comes first.
fn beside_each_other(people: &mut [Person<'_>]) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (place, person) in people.iter().enumerate() {
        first.entry(person.label()).or_insert(place);
    }
    people.sort_by_key(|person| first.get(person.label()).copied());
}

fn row<'e>(place: usize, events: &[&'e Event], relations: &[Relation]) -> Row<'e> {
    let relation = relations[place];
    Row {
        event: events[place],
        relation,
        parent: relation.parent().map(|parent| events[parent]),
        conversation: conversation(place, relations)
            .and_then(|place| events[place].shown(Text::Conversation)),
        nested: false,
    }
}

/// Tells people apart: by account and id. The id of a user of IAM Identity Center is the same in every account.
fn person_key(event: &Event) -> (&str, &str) {
    let Some(person) = event.shown(Text::Person) else {
        return (account(event), "");
    };
    let is_of_store = event.get(Text::UserId) == person && event.get(Text::PrincipalId) != person;
    match is_of_store {
        true => ("", person),
        false => (account(event), person),
    }
}

/// The account of the credentials.
fn account(event: &Event) -> &str {
    match event.get(Text::IdentityAccount) {
        "" => event.get(Text::Account),
        account => account,
    }
}

/// What distinguishes the groups of a person.
type GroupKey<'e> = (Option<&'e str>, &'e str, &'e str);

fn group_key<'e>(row: &Row<'e>) -> GroupKey<'e> {
    if row.conversation.is_some() {
        return (row.conversation, "", "");
    }
    // What a tool call did stands with it.
    let of = match row.relation {
        Relation::RequestId(_) => row
            .parent
            .filter(|parent| person_key(parent) == person_key(row.event)),
        _ => None,
    };
    let of = of.unwrap_or(row.event);
    (None, agent(of), through(of))
}

impl<'e> Person<'e> {
    /// The name, else the id.
    pub(crate) fn label(&self) -> &'e str {
        let label = self.name.or(self.id);
        label.unwrap_or("(no person in the record)")
    }

    fn add(&mut self, event: &'e Event) {
        self.name = self.name.or_else(|| event.shown(Text::Name));
        self.id = self.id.or_else(|| event.shown(Text::Person));
        let insert = |set: &mut BTreeSet<&'e str>, text: &'e str| {
            if !text.is_empty() {
                set.insert(text);
            }
        };
        insert(&mut self.accounts, account(event));
        insert(&mut self.types, event.get(Text::PrincipalType));
        insert(&mut self.roles, event.get(Text::Role));
        self.mfa.extend(event.mfa);
        self.counts.add(event);
    }
}

impl<'e> Group<'e> {
    /// Whether a row is a call with the person's own credentials among calls by services.
    pub(crate) fn is_own_among_others(&self, row: &Row<'_>) -> bool {
        self.through.len() > 1 && through(row.event) == OWN
    }

    fn new(row: &Row<'e>) -> Self {
        Group {
            conversation: row.conversation,
            first: row.event.time,
            ..Group::default()
        }
    }

    fn add(&mut self, row: Row<'e>) {
        let event = row.event;
        self.last = event.time;
        self.counts.add(event);
        if kind(event) == Kind::Call || self.conversation.is_none() {
            self.through.insert(through(event));
        }
        let agent = agent(event);
        if !agent.is_empty() {
            let version = event.get(Text::AgentVersion);
            let named = [agent, version].join(" ");
            self.agents.insert(named.trim_end().to_owned());
        }
        self.rows.push(row);
    }

    /// Moves each call below its tool call, whose own time is later.
    fn nest(&mut self) {
        let tools: HashSet<_> = self
            .rows
            .iter()
            .filter(|row| kind(row.event) == Kind::Tool)
            .map(|row| row.event.key())
            .collect();
        if tools.is_empty() {
            return;
        }
        for row in &mut self.rows {
            let parent = row
                .parent
                .filter(|_| matches!(row.relation, Relation::RequestId(_)));
            row.nested = parent.is_some_and(|parent| tools.contains(&parent.key()));
        }
        self.rows.sort_by_key(|row| {
            let of = row.parent.filter(|_| row.nested).unwrap_or(row.event);
            (of.key(), row.nested, row.event.key())
        });
    }
}
