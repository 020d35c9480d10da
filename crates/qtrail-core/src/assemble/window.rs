//! Assembles events while they arrive.
//!
//! Enters: the facts of events, each with the time of its arrival. Leaves: the place of each, once its window has ended;
//! conversations, once they are quiet. What must hold: a place that was given does not change; events that all arrive
//! within one window get the places that [`Assembler`](super::Assembler) gives them, in whatever order they arrive.
//!
//! An event is held for a window because the files of a conversation arrive in any order. A parent that leaves covers the
//! children that are known by then.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;
use super::facts::{Facts, Part};
use super::place::{Above, Conversations, Place};
use super::relations::{Relations, Removal};
use super::{SpanId, TraceId};

/// How long events are held and remembered. All times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long an event is held. Default 6 minutes.
    pub window: Duration,
    /// After this time without an event, a conversation is quiet. Not shorter than `window`. Default 15 minutes.
    pub idle: Duration,
    /// Events that are held at most; beyond it, the oldest are decided early. Default 10,000.
    pub max_held: usize,
    /// How long a decided event can be the parent of a later one. Default 24 hours.
    pub remember: Duration,
    /// Decided events that can be parents at most; the oldest are forgotten first. Default 100,000.
    pub max_parents: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            window: Duration::from_secs(6 * 60),
            idle: Duration::from_secs(15 * 60),
            max_held: 10_000,
            remember: Duration::from_secs(24 * 60 * 60),
            max_parents: 100_000,
        }
    }
}

/// Events that are held, and what they can belong to.
#[derive(Debug)]
pub struct Window {
    settings: Settings,
    held: HashMap<SpanId, Facts>,
    /// What the children that have left need of parents that have not.
    promises: HashMap<SpanId, Promise>,
    /// Held events by the time of their arrival.
    arrivals: VecDeque<(i64, SpanId)>,
    relations: Relations,
    /// Decided events that can be parents.
    parents: HashMap<SpanId, Parent>,
    /// The same by the time of their decision.
    decided: VecDeque<(i64, SpanId)>,
    conversations: Conversations,
    activity: HashMap<TraceId, Activity>,
}

/// A conversation as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedConversation {
    /// Its events, until it was quiet.
    pub conversation: Conversation,
    /// How it is doing.
    pub activity: Activity,
}

/// How a conversation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When its last event arrived or was decided.
    pub last: i64,
    /// It was quiet, so its span does not change any more.
    pub was_quiet: bool,
}

/// A decided event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// When it was decided.
    pub time: i64,
    /// Its place.
    pub place: Place,
    /// Its facts, if later events can need it.
    pub facts: Option<Facts>,
    /// The place of its parent, if that was still held.
    above: Option<Place>,
}

/// A decided event that can be a parent.
#[derive(Debug)]
struct Parent {
    above: Above,
    removal: Option<Removal>,
}

/// A part of a parent's place: the children that have left have its trace, and are to be covered.
#[derive(Debug)]
struct Promise {
    time: i64,
    place: Place,
}

impl Window {
    /// A window without events.
    pub fn new(settings: Settings) -> Self {
        Window {
            settings,
            held: HashMap::new(),
            promises: HashMap::new(),
            arrivals: VecDeque::new(),
            relations: Relations::default(),
            parents: HashMap::new(),
            decided: VecDeque::new(),
            conversations: Conversations::default(),
            activity: HashMap::new(),
        }
    }

    /// Adds an event that was decided before this process began. Events come by the time of their decision.
    pub fn restore(&mut self, id: SpanId, event: &Remembered) {
        self.promises.remove(&id);
        if let (Some(parent), Some(above)) = (event.place.parent, &event.above) {
            let promise = self.promises.entry(parent).or_insert_with(|| Promise {
                time: event.time,
                place: above.clone(),
            });
            promise.place.cover(event.place.extent);
        }
        if let Some(facts) = &event.facts {
            let parent = Parent {
                above: Above::from(&event.place),
                removal: self.relations.add(facts),
            };
            self.decided.push_back((event.time, id));
            self.parents.insert(id, parent);
        }
    }

    /// Adds a conversation of before. One that was not quiet is not quiet now: its events may be among those that were
    /// not read meanwhile.
    pub fn restore_conversation(&mut self, mut known: RememberedConversation, now: i64) {
        let trace_id = known.conversation.trace_id();
        if !known.activity.was_quiet {
            known.activity.last = now;
        }
        self.activity.insert(trace_id, known.activity);
        self.conversations.0.insert(trace_id, known.conversation);
    }

    /// Holds an event. A repeat of one that is held changes nothing.
    pub fn arrive(&mut self, facts: Facts, now: i64) {
        let id = facts.span_id;
        if self.held.contains_key(&id) {
            return;
        }
        self.relations.add(&facts);
        if matches!(facts.part, Part::InConversation { .. }) {
            self.touch(facts.trace_id, now);
            self.conversations.name(&facts);
        }
        self.held.insert(id, facts);
        self.arrivals.push_back((now, id));
    }

    /// Whether an event is held.
    pub fn holds(&self, id: SpanId) -> bool {
        self.held.contains_key(&id)
    }

    /// Events that are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether no event is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// When the next event is due.
    pub fn next_due(&self) -> Option<i64> {
        let (arrived, _) = self.arrivals.front()?;
        Some(arrived.saturating_add(nanoseconds(self.settings.window)))
    }

    /// When the next conversation will have been quiet for so long that its span is due.
    pub fn next_quiet(&self) -> Option<i64> {
        let open = self.activity.values().filter(|known| !known.was_quiet);
        let last = open.map(|known| known.last).min()?;
        Some(last.saturating_add(nanoseconds(self.settings.idle)))
    }

    /// How many events are due now, the oldest first: their window has ended.
    pub fn due(&self, now: i64) -> usize {
        let window = self.settings.window;
        let ended = |&(arrived, _): &(i64, SpanId)| has_passed(window, arrived, now);
        self.arrivals.iter().take_while(|held| ended(held)).count()
    }

    /// How many events are too many, the oldest first. It makes room for many, so that a decision is rare.
    pub fn surplus(&self) -> usize {
        match self.held.len() > self.settings.max_held {
            true => self.held.len() - self.settings.max_held / 2,
            false => 0,
        }
    }

    /// Decides about the `count` events that arrived first.
    pub fn decide(&mut self, count: usize, now: i64) -> Vec<(SpanId, Remembered)> {
        let count = count.min(self.arrivals.len());
        let due: HashSet<_> = self.arrivals.drain(..count).map(|(_, id)| id).collect();
        if due.is_empty() {
            return Vec::new();
        }
        let mut order: Vec<_> = self.held.values().map(Facts::order).collect();
        order.sort_unstable();
        let places = self.drafts(order.iter().map(|(_, _, id)| *id));
        let leaving = order.iter().filter(|(_, _, id)| due.contains(id));
        leaving
            .map(|(_, _, id)| (*id, self.leave(*id, &places, now)))
            .collect()
    }

    /// The places of all held events as far as it is known. `order`: parents first.
    fn drafts(
        &self,
        order: impl DoubleEndedIterator<Item = SpanId> + Clone,
    ) -> HashMap<SpanId, Place> {
        let mut places = HashMap::with_capacity(self.held.len());
        for id in order.clone() {
            let facts = &self.held[&id];
            let decided = |id| Some(self.parents.get(&id)?.above);
            let above = |id| places.get(&id).map(Above::from).or_else(|| decided(id));
            let place = match self.promises.get(&id) {
                Some(promise) => promise.place.clone(),
                None => Place::of(facts, &self.relations, above, &self.conversations),
            };
            places.insert(id, place);
        }
        for id in order.rev() {
            let (parent, extent) = (places[&id].parent, places[&id].extent);
            if let Some(parent) = parent.and_then(|id| places.get_mut(&id)) {
                parent.cover(extent);
            }
        }
        places
    }

    /// A held event gets its place.
    fn leave(&mut self, id: SpanId, places: &HashMap<SpanId, Place>, now: i64) -> Remembered {
        let (place, facts) = (places[&id].clone(), self.held.remove(&id));
        if place.in_conversation {
            let was_quiet = self.touch(place.trace_id, now);
            if let Some(facts) = facts.as_ref().filter(|_| !was_quiet) {
                self.conversations.add(facts, &place);
            }
        }
        let above = place.parent.filter(|parent| self.held.contains_key(parent));
        let event = Remembered {
            time: now,
            above: above.map(|parent| places[&parent].clone().uncovered()),
            place,
            facts: facts.filter(Facts::is_needed),
        };
        self.restore(id, &event);
        event
    }

    /// Something happened in a conversation. Returns whether it was quiet before.
    fn touch(&mut self, trace_id: TraceId, now: i64) -> bool {
        let new = Activity {
            last: now,
            was_quiet: false,
        };
        let activity = self.activity.entry(trace_id).or_insert(new);
        activity.last = now;
        activity.was_quiet
    }

    /// The conversations with an event that was decided at this time.
    pub fn changed(&self, now: i64) -> impl Iterator<Item = RememberedConversation> {
        let changed = self
            .activity
            .iter()
            .filter(move |(_, known)| known.last == now);
        changed.filter_map(|(trace_id, activity)| {
            Some(RememberedConversation {
                conversation: self.conversations.0.get(trace_id)?.clone(),
                activity: *activity,
            })
        })
    }

    /// The conversations that are quiet since [`Settings::idle`]; with `all`, all that were not quiet yet. Each is returned
    /// once.
    pub fn quiet(&mut self, now: i64, all: bool) -> Vec<RememberedConversation> {
        let mut quiet = Vec::new();
        if !all && self.due(now) > 0 {
            // They may belong to one of the conversations.
            return quiet;
        }
        for (trace_id, activity) in &mut self.activity {
            let is_quiet = all || has_passed(self.settings.idle, activity.last, now);
            if activity.was_quiet || !is_quiet {
                continue;
            }
            if let Some(known) = self
                .conversations
                .0
                .get(trace_id)
                .filter(|known| known.has_events())
            {
                activity.was_quiet = true;
                quiet.push(RememberedConversation {
                    conversation: known.clone(),
                    activity: *activity,
                });
            }
        }
        quiet.sort_unstable_by_key(|known| {
            (known.conversation.extent(), known.conversation.trace_id())
        });
        quiet
    }

    /// Forgets what was decided before [`Settings::remember`], and the oldest of what is more than
    /// [`Settings::max_parents`]: the time before which all is forgotten.
    pub fn forget(&mut self, now: i64) -> i64 {
        let before = now.saturating_sub(nanoseconds(self.settings.remember));
        while let Some((time, id)) = self.decided.front().copied() {
            // After a step back of the clock, a time of the future says nothing.
            let is_old = time < before || time > now;
            if !is_old && self.parents.len() <= self.settings.max_parents {
                break;
            }
            self.decided.pop_front();
            if let Some(removal) = self.parents.remove(&id).and_then(|parent| parent.removal) {
                self.relations.remove(&removal);
            }
        }
        self.promises.retain(|_, promise| promise.time >= before);
        let conversations = &mut self.conversations.0;
        self.activity.retain(|trace_id, known| {
            let is_old = known.was_quiet && known.last < before;
            if is_old {
                conversations.remove(trace_id);
            }
            !is_old
        });
        before
    }
}

/// Whether so much time lies between two times. After a step of the clock, either can be the later one.
fn has_passed(time: Duration, then: i64, now: i64) -> bool {
    u128::from(now.abs_diff(then)) >= time.as_nanos()
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
