//! A YAML file becomes settings.
//!
//! Enters: its text. Leaves: a setting for each key in it, with its line. What must hold: a key that is not
//! in the table is an error that names the nearest one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::keys::{self, Kind};
use super::layers::{Layers, Origin, Setting, Value};
use super::substitute::expand;
use super::{Environment, Problems};

type Entries = Vec<(Spanned<String>, Spanned<Node>)>;

/// Any YAML, with scalars as texts.
enum Node {
    Null,
    Scalar(String),
    List(Vec<Spanned<Node>>),
    Map(Entries),
}

/// Reads a file's text into `layers` and `problems`.
pub(super) fn read(
    path: &Path,
    text: &str,
    env: &Environment,
    layers: &mut Layers,
    problems: &mut Problems,
) {
    // A snippet of the file in an error message could show a secret.
    let options = serde_saphyr::options! {
        with_snippet: false,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let mut reader = Reader {
        path,
        env,
        layers,
        problems,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Node>>(text, options) {
        Ok(root) => match root.value {
            Node::Map(entries) => reader.group("", entries),
            Node::Null => {}
            _ => reader.problem(
                1,
                "the file",
                "must have keys, such as `state: /var/lib/qtrail`",
            ),
        },
        Err(error) => {
            let line = error.location().map_or(1, |at| at.line());
            let text = error.without_snippet().to_string();
            // The parser's advice is for its caller.
            let text = text.replace(", set DuplicateKeyPolicy in Options if acceptable", "");
            reader.problem(line, "the file", &format!("is not valid YAML: {text}"));
        }
    }
}

struct Reader<'a> {
    path: &'a Path,
    env: &'a Environment,
    layers: &'a mut Layers,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn group(&mut self, prefix: &str, entries: Entries) {
        for (key, node) in entries {
            let line = key.referenced.line();
            let name = match prefix {
                "" => key.value,
                _ => format!("{prefix}.{}", key.value),
            };
            if let Some(key) = keys::find(&name) {
                self.setting(&name, key.kind, line, node.value);
            } else if keys::is_group(&name) {
                match node.value {
                    Node::Map(entries) => self.group(&name, entries),
                    Node::Null => {}
                    _ => self.problem(
                        line,
                        &name,
                        "is a group of keys: write them below it, indented",
                    ),
                }
            } else {
                let hint = match keys::nearest(&name) {
                    Some(nearest) => format!("unknown key: did you mean `{nearest}`?"),
                    None => "unknown key: see docs/configuration.md".to_owned(),
                };
                self.problem(line, &name, &hint);
            }
        }
    }

    fn setting(&mut self, name: &str, kind: Kind, line: u64, node: Node) {
        let origin = Origin::File(self.path.to_owned(), line);
        match self.value(kind, node) {
            Ok(Some(value)) => self.layers.put(name, Setting { value, origin }),
            Ok(None) => {}
            Err(message) => self.problem(line, name, &message),
        }
    }

    /// A null counts as absent.
    fn value(&self, kind: Kind, node: Node) -> Result<Option<Value>, String> {
        let scalar = |node: Node| match node {
            Node::Scalar(text) => expand(&text, self.env, kind),
            Node::Null => Ok(String::new()),
            _ => Err("expected a single value".to_owned()),
        };
        Ok(Some(match (kind, node) {
            (_, Node::Null) => return Ok(None),
            (Kind::List | Kind::Choices(_), Node::List(items)) => Value::List(
                items
                    .into_iter()
                    .map(|item| scalar(item.value))
                    .collect::<Result<_, _>>()?,
            ),
            (Kind::List | Kind::Choices(_), node) => Value::List(vec![scalar(node)?]),
            (Kind::Map | Kind::Secrets, Node::Map(entries)) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, node)| Ok((key.value, scalar(node.value)?)))
                    .collect::<Result<BTreeMap<_, _>, String>>()?,
            ),
            (Kind::Map | Kind::Secrets, _) => {
                return Err(
                    "expected names and values: write `name: value` lines below it".to_owned(),
                );
            }
            // `after: {move: /done}` reads as `after: "move: /done"`.
            (Kind::Variant(_), Node::Map(entries)) if entries.len() == 1 => {
                let mut text = String::new();
                for (key, node) in entries {
                    text = format!("{}: {}", key.value, scalar(node.value)?);
                }
                Value::from(text.as_str())
            }
            (_, node) => Value::from(scalar(node)?.as_str()),
        }))
    }

    fn problem(&mut self, line: u64, name: &str, message: &str) {
        let origin = Origin::File(self.path.to_owned(), line);
        self.problems.add(&origin, name, message);
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}
