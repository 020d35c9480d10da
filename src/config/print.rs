//! `--print-config`: the configuration as YAML that can be read back, each value with its source.
//!
//! What must hold: no secret is printed. Keys, header values and the passwords and queries of URLs are masked.

use std::collections::BTreeMap;
use std::fmt;

use super::keys::{self, Kind};
use super::layers::Value;
use super::{Loaded, export};

const MASK: &str = "[secret]";

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open: Vec<&str> = Vec::new();
        let names = in_groups();
        for name in &names {
            let (Some(setting), Some(key)) = (self.layers.get(name), keys::find(name)) else {
                continue;
            };
            let mut groups: Vec<_> = name.split('.').collect();
            let last = groups.pop().unwrap_or_default();
            let common = open.iter().zip(&groups).take_while(|(a, b)| a == b).count();
            for (depth, group) in groups.iter().enumerate().skip(common) {
                writeln!(f, "{:depth$}{group}:", "", depth = 2 * depth)?;
            }
            let value = text(key.kind, &setting.value);
            let depth = 2 * groups.len();
            writeln!(f, "{:depth$}{last}: {value}  # {}", "", setting.origin)?;
            open = groups;
        }
        Ok(())
    }
}

/// The names of all keys, grouped.
fn in_groups() -> Vec<String> {
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    let mut names: Vec<(Vec<usize>, String)> = Vec::new();
    for name in keys::names() {
        // A group's position is that of its first key; a plain key comes before its siblings' groups.
        let mut position = Vec::new();
        for (at, _) in name.match_indices('.') {
            let next = groups.len() + 1;
            position.push(*groups.entry(name[..at].to_owned()).or_insert(next));
        }
        names.push((position, name));
    }
    names.sort_by(|(a, _), (b, _)| a.cmp(b));
    names.into_iter().map(|(_, name)| name).collect()
}

fn text(kind: Kind, value: &Value) -> String {
    match (kind, value) {
        (Kind::Secret, _) => scalar(MASK),
        (Kind::Url, Value::Text(url)) => scalar(&masked(&url.to_string_lossy())),
        (_, Value::Text(text)) => scalar(&text.to_string_lossy()),
        (_, Value::List(items)) => {
            let items: Vec<_> = items.iter().map(|item| scalar(item)).collect();
            format!("[{}]", items.join(", "))
        }
        (_, Value::Map(map)) => {
            let entry = |(name, value): (&String, &String)| match kind {
                Kind::Secrets => format!("{}: {}", scalar(name), scalar(MASK)),
                _ => format!("{}: {}", scalar(name), scalar(value)),
            };
            let entries: Vec<_> = map.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A URL with its user, password and query masked: they may hold secrets.
fn masked(url: &str) -> String {
    let (url, user) = export::without_user(url);
    let url = match url.split_once('?') {
        Some((url, _)) => format!("{url}?{MASK}"),
        None => url,
    };
    match user {
        Some(_) => url.replacen("://", &format!("://{MASK}@"), 1),
        None => url,
    }
}

/// Plain if YAML reads it back as the same text, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let escaped = text.replace('$', "$$");
    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') && text.chars().all(plain)
    {
        escaped
    } else {
        serde_json::Value::String(escaped).to_string()
    }
}
