//! Saying attributes, and keeping account of what was said.

use std::borrow::Cow;
use std::collections::HashSet;

use super::attributes::{Field, Sink, Value};
use crate::event::{Event, Key};
use crate::json::{Node, Type};

/// Says attributes of one event to a sink. What is absent, `null`, an empty text or of a type that
/// the row cannot take is not said.
pub(super) struct AttributeWriter<'e, S> {
    pub(super) event: &'e Event<'e>,
    sink: &'e mut S,
    /// Numbers of the nodes that were said, where that is asked for.
    said: Option<HashSet<u32>>,
}

impl<'e, S: Sink> AttributeWriter<'e, S> {
    /// `account` keeps track of what was said, for [`AttributeWriter::unsaid`].
    pub(super) fn new(event: &'e Event<'e>, sink: &'e mut S, account: bool) -> Self {
        AttributeWriter {
            event,
            sink,
            said: account.then(HashSet::new),
        }
    }

    /// A value that is no field's own.
    pub(super) fn value(&mut self, field: &'static Field, value: Value<'_>) {
        self.sink.attribute(field, &value);
    }

    /// A text that is no field's own.
    pub(super) fn str(&mut self, field: &'static Field, text: &str) {
        self.value(field, Value::Str(Cow::Borrowed(text)));
    }

    /// A field that is a text.
    pub(super) fn text(&mut self, field: &'static Field, key: Key) {
        if let Some(text) = self.event.text_of(key) {
            self.count(key);
            self.value(field, Value::Str(text));
        }
    }

    /// A field that is a text, or a number, as text.
    pub(super) fn scalar(&mut self, field: &'static Field, key: Key) {
        if let Some(text) = self.event.scalar_of(key) {
            self.count(key);
            self.value(field, Value::Str(text));
        }
    }

    /// The first of these fields that is a text.
    pub(super) fn first(&mut self, field: &'static Field, keys: &[Key]) {
        if let Some(key) = self.event.first_of(keys) {
            self.text(field, key);
        }
    }

    /// An id: the first of these fields that is no mark of a hidden value.
    pub(super) fn id(&mut self, field: &'static Field, keys: &[Key]) {
        if let Some(key) = self.event.first_shown(keys) {
            self.text(field, key);
        }
    }

    /// A field that is a boolean, or one written as text.
    pub(super) fn flag(&mut self, field: &'static Field, key: Key) {
        if let Some(flag) = self.event.flag_of(key) {
            self.count(key);
            self.value(field, Value::Bool(flag));
        }
    }

    /// A field that is an object, or was one before it was redacted.
    pub(super) fn map(&mut self, field: &'static Field, key: Key) {
        let event = self.event;
        if let Some(node) = event.get(key)
            && (node.kind() == Type::Object || node.is_redacted())
        {
            self.count(key);
            self.value(field, Value::Json(node));
        }
    }

    /// Counts a field as said.
    pub(super) fn count(&mut self, key: Key) {
        if let Some(node) = self.event.get(key) {
            self.count_node(node);
        }
    }

    /// Counts a value, with all that is in it, as said.
    pub(super) fn count_node(&mut self, node: Node<'_>) {
        if let Some(said) = &mut self.said {
            said.insert(node.id());
        }
    }

    /// What was not said of the record, under its own names; `None` where nothing is left.
    pub(super) fn unsaid(&self) -> Option<Value<'e>> {
        let said = self.said.as_ref()?;
        let event = self.event;
        match left_over(event.document().root(), said, LEVELS) {
            Rest::Whole(node) => Some(Value::Json(node)),
            Rest::Part(value) => Some(value),
            Rest::Said | Rest::Null => None,
        }
    }
}

/// Levels at which single values are told apart: the deepest that has a row of its own is
/// `userIdentity.sessionContext.sessionIssuer.type`; below, all is one value.
const LEVELS: u32 = 4;

/// What is left of a value.
enum Rest<'e> {
    Said,
    /// A `null` says nothing by itself.
    Null,
    Whole(Node<'e>),
    Part(Value<'e>),
}

fn left_over<'e>(node: Node<'e>, said: &HashSet<u32>, levels: u32) -> Rest<'e> {
    if said.contains(&node.id()) {
        return Rest::Said;
    }
    match node.kind() {
        Type::Null => Rest::Null,
        _ if !(node.id()..node.end_id()).any(|id| said.contains(&id)) || levels == 0 => {
            Rest::Whole(node)
        }
        Type::Object => {
            let entries: Vec<_> = node
                .entries()
                .filter_map(|(key, node)| Some((key, part(node, said, levels)?)))
                .collect();
            some(entries.is_empty(), Value::Map(entries))
        }
        _ => {
            let items: Vec<_> = node
                .items()
                .filter_map(|node| part(node, said, levels))
                .collect();
            some(items.is_empty(), Value::Array(items))
        }
    }
}

fn part<'e>(node: Node<'e>, said: &HashSet<u32>, levels: u32) -> Option<Value<'e>> {
    match left_over(node, said, levels - 1) {
        Rest::Said | Rest::Null => None,
        Rest::Whole(node) => Some(Value::Json(node)),
        Rest::Part(value) => Some(value),
    }
}

fn some(empty: bool, value: Value<'_>) -> Rest<'_> {
    if empty { Rest::Said } else { Rest::Part(value) }
}
