//! Writes the attributes of one event to a sink, and remembers which fields they cover.

use std::collections::HashSet;

use super::attributes::{Field, Sink, Value};
use crate::event::{Event, Key};
use crate::json::{Node, Type};

/// Writes attributes of one event to a sink. A field that is absent, `null`, an empty text or of a
/// type that its row cannot take writes nothing.
pub(super) struct AttributeWriter<'e, S> {
    pub(super) event: &'e Event<'e>,
    sink: &'e mut S,
    /// Ids of the nodes that an attribute covers; `None` unless [`AttributeWriter::unmapped`] needs
    /// them.
    mapped: Option<HashSet<u32>>,
}

impl<'e, S: Sink> AttributeWriter<'e, S> {
    /// `track_mapped` enables [`AttributeWriter::unmapped`].
    pub(super) fn new(event: &'e Event<'e>, sink: &'e mut S, track_mapped: bool) -> Self {
        AttributeWriter {
            event,
            sink,
            mapped: track_mapped.then(HashSet::new),
        }
    }

    /// Writes a value that is derived rather than copied from a field.
    pub(super) fn value(&mut self, field: &'static Field, value: Value<'_>) {
        self.sink.attribute(field, &value);
    }

    /// Writes a text that is derived rather than copied from a field.
    // The sink is inlined here and in `text`, so nowhere else.
    #[inline(never)]
    pub(super) fn str(&mut self, field: &'static Field, text: &str) {
        self.sink.text(field, text);
    }

    /// Writes a field that holds a text.
    #[inline(never)]
    pub(super) fn text(&mut self, field: &'static Field, key: Key) {
        let event = self.event;
        if let Some(node) = event.get(key)
            && let Some(text) = node.as_str().filter(|text| !text.is_empty())
        {
            self.mark_node_mapped(node);
            self.sink.text(field, &text);
        }
    }

    /// Writes a field that holds a text or a number, as text.
    pub(super) fn scalar(&mut self, field: &'static Field, key: Key) {
        if let Some(text) = self.event.scalar_of(key) {
            self.mark_mapped(key);
            self.str(field, &text);
        }
    }

    /// Writes the first of these fields that holds a text.
    pub(super) fn first(&mut self, field: &'static Field, keys: &[Key]) {
        if let Some(key) = self.event.first_of(keys) {
            self.text(field, key);
        }
    }

    /// Writes an id: the first of these fields whose value is not masked.
    pub(super) fn id(&mut self, field: &'static Field, keys: &[Key]) {
        if let Some(key) = self.event.first_shown(keys) {
            self.text(field, key);
        }
    }

    /// Writes a field that holds a boolean, or one as text.
    pub(super) fn flag(&mut self, field: &'static Field, key: Key) {
        if let Some(flag) = self.event.flag_of(key) {
            self.mark_mapped(key);
            self.value(field, Value::Bool(flag));
        }
    }

    /// Writes a field that holds an object, or held one before it was redacted.
    pub(super) fn map(&mut self, field: &'static Field, key: Key) {
        let event = self.event;
        if let Some(node) = event.get(key)
            && (node.kind() == Type::Object || node.is_redacted())
        {
            self.mark_mapped(key);
            self.value(field, Value::Json(node));
        }
    }

    /// Marks a field as covered by an attribute.
    pub(super) fn mark_mapped(&mut self, key: Key) {
        if let Some(node) = self.event.get(key) {
            self.mark_node_mapped(node);
        }
    }

    /// Marks a value, with everything in it, as covered by an attribute.
    pub(super) fn mark_node_mapped(&mut self, node: Node<'_>) {
        if let Some(mapped) = &mut self.mapped {
            mapped.insert(node.id());
        }
    }

    /// The part of the record that no attribute covers, under its own names; `None` if every field
    /// is covered.
    pub(super) fn unmapped(&self) -> Option<Value<'e>> {
        let mapped = self.mapped.as_ref()?;
        let event = self.event;
        match unmapped_part(event.document().root(), mapped, LEVELS) {
            Unmapped::All(node) => Some(Value::Json(node)),
            Unmapped::Part(value) => Some(value),
            Unmapped::Nothing => None,
        }
    }
}

/// How deep mapped and unmapped values are separated: the deepest field with a row of its own is
/// `userIdentity.sessionContext.sessionIssuer.type`. A deeper value is kept or dropped whole.
const LEVELS: u32 = 4;

/// How much of a value no attribute covers.
enum Unmapped<'e> {
    /// Every part is covered, or the value is `null`, which carries no information.
    Nothing,
    All(Node<'e>),
    Part(Value<'e>),
}

fn unmapped_part<'e>(node: Node<'e>, mapped: &HashSet<u32>, levels: u32) -> Unmapped<'e> {
    if mapped.contains(&node.id()) {
        return Unmapped::Nothing;
    }
    match node.kind() {
        Type::Null => Unmapped::Nothing,
        _ if levels == 0 || !(node.id()..node.end_id()).any(|id| mapped.contains(&id)) => {
            Unmapped::All(node)
        }
        Type::Object => {
            let entries = node.entries();
            let entries =
                entries.filter_map(|(key, node)| Some((key, inner(node, mapped, levels)?)));
            let entries: Vec<_> = entries.collect();
            unless_empty(entries.is_empty(), Value::Map(entries))
        }
        _ => {
            let items = node.items();
            let items: Vec<_> = items
                .filter_map(|node| inner(node, mapped, levels))
                .collect();
            unless_empty(items.is_empty(), Value::Array(items))
        }
    }
}

fn inner<'e>(node: Node<'e>, mapped: &HashSet<u32>, levels: u32) -> Option<Value<'e>> {
    match unmapped_part(node, mapped, levels - 1) {
        Unmapped::Nothing => None,
        Unmapped::All(node) => Some(Value::Json(node)),
        Unmapped::Part(value) => Some(value),
    }
}

fn unless_empty(empty: bool, value: Value<'_>) -> Unmapped<'_> {
    if empty {
        Unmapped::Nothing
    } else {
        Unmapped::Part(value)
    }
}
