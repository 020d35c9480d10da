//! The order of a report: people, their conversations, what was done in each.
//!
//! Enters: events with their relations, and a filter. Leaves: [`People`]: [`Person`]s with [`Group`]s, whose [`Row`]s
//! are read again when they are written. What must hold: each event that the filter wants is in one row; the order
//! follows from the events alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;

use super::events::Events;
use super::filter::Filter;
use super::relations::{Relation, Relations, Row};
use crate::view::event::{Event, Text};
use crate::view::words::{Kind, OWN, agent, is_write, kind, through};

/// What a report shows.
#[derive(Debug)]
pub(crate) struct People<'s> {
    pub(crate) list: Vec<Person>,
    relations: Relations<'s>,
}

/// A person, with what agents did for them.
#[derive(Debug, Default)]
pub(crate) struct Person {
    /// The name, as the record or the `identities` file has it.
    pub(crate) name: Option<String>,
    /// `enduser.id`.
    pub(crate) id: Option<String>,
    /// Accounts of the person's credentials.
    pub(crate) accounts: BTreeSet<String>,
    /// Types of the person's credentials, such as `IAMUser`.
    pub(crate) types: BTreeSet<String>,
    pub(crate) roles: BTreeSet<String>,
    /// Whether sign-ins with and without MFA were seen.
    pub(crate) mfa: BTreeSet<bool>,
    pub(crate) counts: Counts,
    pub(crate) groups: Vec<Group>,
}

/// One conversation, or what was done without a known one by one agent in one way.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) conversation: Option<String>,
    /// The agents, with what each of them called through.
    pub(crate) agents: BTreeSet<String>,
    pub(crate) through: BTreeSet<String>,
    /// How many calls went through each.
    pub(crate) calls_through: BTreeMap<String, u64>,
    /// A client declares its agent.
    pub(crate) is_declared: bool,
    /// Times of the first and the last event, in nanoseconds since 1970.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) counts: Counts,
    pub(crate) rows: Vec<Place>,
    /// The rows that are tool calls.
    tool_calls: HashSet<u32>,
}

/// Where the event of a row is, and its tool call, if that is the reason for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    event: u32,
    tool_call: Option<u32>,
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
    /// Adds those of another part.
    pub(crate) fn add_all(&mut self, other: &Counts) {
        self.events += other.events;
        self.messages += other.messages;
        self.calls += other.calls;
        self.denied += other.denied;
        self.errors += other.errors;
        self.changed += other.changed;
    }

    fn add(&mut self, event: &Event) {
        self.events += 1;
        self.messages += u64::from(kind(event) == Kind::Message);
        self.calls += u64::from(kind(event) == Kind::Call);
        self.denied += u64::from(event.get(Text::Outcome) == "denied");
        self.errors += u64::from(event.get(Text::Outcome) == "error");
        self.changed += u64::from(is_write(event) && event.get(Text::Outcome) == "success");
    }
}

/// The events that the filter wants, by person and conversation.
///
/// # Errors
/// The events cannot be read.
pub(crate) fn people<'s>(events: &'s Events, filter: &Filter) -> io::Result<People<'s>> {
    let relations = Relations::of(events)?;
    let mut people = Vec::new();
    let mut by_person: HashMap<_, usize> = HashMap::new();
    let mut by_group: HashMap<_, usize> = HashMap::new();
    for place in 0..events.len() {
        let row = relations.get(place)?;
        if !filter.wants(&row) {
            continue;
        }
        let (account, id) = person_key(&row.event);
        let key = (account.to_owned(), id.to_owned());
        let person = *by_person.entry(key).or_insert_with(|| {
            people.push(Person::default());
            people.len() - 1
        });
        let of_person: &mut Person = &mut people[person];
        of_person.add(&row.event);
        let group = *by_group
            .entry((person, group_key(&row)))
            .or_insert_with(|| {
                of_person.groups.push(Group::new(&row));
                of_person.groups.len() - 1
            });
        of_person.groups[group].add(place, &row);
    }
    for group in people.iter_mut().flat_map(|person| &mut person.groups) {
        group.nest();
    }
    beside_each_other(&mut people);
    Ok(People {
        list: people,
        relations,
    })
}

impl<'s> People<'s> {
    /// Reads a row.
    ///
    /// # Errors
    /// The events cannot be read.
    pub(crate) fn row(&self, place: Place) -> io::Result<Row<'s>> {
        self.relations.get(place.event as usize)
    }

    /// All groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> + Clone {
        self.list.iter().flat_map(|person| &person.groups)
    }

    /// All rows in order of time, with their persons.
    pub(crate) fn in_time(&self) -> impl Iterator<Item = io::Result<(&Person, Row<'s>)>> {
        let mut persons = vec![None; self.relations.len()];
        for person in &self.list {
            for place in person.groups.iter().flat_map(|group| &group.rows) {
                persons[place.event as usize] = Some(person);
            }
        }
        let rows = persons.into_iter().enumerate();
        rows.filter_map(|(place, person)| Some((place, person?)))
            .map(|(place, person)| Ok((person, self.relations.get(place)?)))
    }
}

/// Moves people of one name together: often one person with several credentials. Otherwise the first who did
/// something comes first.
fn beside_each_other(people: &mut [Person]) {
    let mut first: HashMap<String, usize> = HashMap::new();
    for (place, person) in people.iter().enumerate() {
        first.entry(person.label().to_owned()).or_insert(place);
    }
    people.sort_by_key(|person| first.get(person.label()).copied());
}

/// Tells people apart: by account and id. The id of a user of IAM Identity Center is the same in every account, and so
/// is that of the user's own table.
fn person_key(event: &Event) -> (&str, &str) {
    let Some(person) = event.shown(Text::Person) else {
        return (account(event), "");
    };
    let is_of_store = event.get(Text::UserId) == person && event.get(Text::PrincipalId) != person;
    match is_of_store || event.is_known {
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

/// What distinguishes the groups of a person: the conversation, else the agent and what it called through.
fn group_key(row: &Row<'_>) -> (Option<String>, String, String) {
    if row.conversation.is_some() {
        return (row.conversation.clone(), String::new(), String::new());
    }
    // What a tool call did stands with it.
    let tool_call = match row.relation {
        Relation::RequestId(_) => row.parent.as_deref(),
        _ => None,
    };
    let event = &*row.event;
    let of = tool_call.filter(|parent| person_key(parent) == person_key(event));
    let of = of.unwrap_or(event);
    (None, agent(of).to_owned(), through(of).to_owned())
}

impl Person {
    /// The name, else the id.
    pub(crate) fn label(&self) -> &str {
        let label = self.name.as_deref().or(self.id.as_deref());
        label.unwrap_or("(no person in the record)")
    }

    fn add(&mut self, event: &Event) {
        let or_shown = |known: &mut Option<String>, text| {
            if known.is_none() {
                *known = event.shown(text).map(str::to_owned);
            }
        };
        or_shown(&mut self.name, Text::Name);
        or_shown(&mut self.id, Text::Person);
        insert(&mut self.accounts, account(event));
        insert(&mut self.types, event.get(Text::PrincipalType));
        insert(&mut self.roles, event.get(Text::Role));
        self.mfa.extend(event.mfa);
        self.counts.add(event);
    }
}

impl Group {
    /// Whether a row is a call with the person's own credentials among calls by services.
    pub(crate) fn is_own_among_others(&self, row: &Row<'_>) -> bool {
        self.through.len() > 1 && through(&row.event) == OWN
    }

    fn new(row: &Row<'_>) -> Self {
        Group {
            conversation: row.conversation.clone(),
            first: row.event.time,
            ..Group::default()
        }
    }

    fn add(&mut self, at: usize, row: &Row<'_>) {
        let event = &*row.event;
        self.last = event.time;
        self.counts.add(event);
        self.is_declared |= event.get(Text::Evidence) == "user_agent";
        if kind(event) == Kind::Call {
            match self.calls_through.get_mut(through(event)) {
                Some(calls) => *calls += 1,
                None => drop(self.calls_through.insert(through(event).to_owned(), 1)),
            }
        }
        if kind(event) == Kind::Call || self.conversation.is_none() {
            insert(&mut self.through, through(event));
        }
        let agent = agent(event);
        if !agent.is_empty() {
            let version = event.get(Text::AgentVersion);
            let named = [agent, version].join(" ");
            insert(&mut self.agents, named.trim_end());
        }
        // As many events as would not fit into memory.
        let place = |place: usize| u32::try_from(place).ok();
        self.rows.extend(place(at).map(|event| Place {
            event,
            tool_call: match row.relation {
                Relation::RequestId(tool_call) => place(tool_call),
                _ => None,
            },
        }));
        if kind(event) == Kind::Tool {
            self.tool_calls.extend(place(at));
        }
    }

    /// Moves each call below its tool call, whose own time is later. Places are in order of time.
    fn nest(&mut self) {
        let tool_calls = std::mem::take(&mut self.tool_calls);
        if tool_calls.is_empty() {
            return;
        }
        self.rows.sort_by_key(|row| {
            let above = row.tool_call.filter(|above| tool_calls.contains(above));
            (above.unwrap_or(row.event), above.is_some(), row.event)
        });
    }
}

fn insert(set: &mut BTreeSet<String>, text: &str) {
    if !text.is_empty() && !set.contains(text) {
        set.insert(text.to_owned());
    }
}
