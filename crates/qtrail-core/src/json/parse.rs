//! The grammar of RFC 8259, no more and no less, without recursion.

use std::borrow::Cow;
use std::collections::HashMap;

use super::number::Number;
use super::special::{Buffer, Specials};
use super::{ESCAPED, KEY_ESCAPED, SHADOWED, Slot, Type, decoded_key, string};
use crate::reject::Reason;

/// Bytes of text for each slot of the first allocation; measured on real trails.
const BYTES_A_SLOT: usize = 24;

/// No container.
const NONE: u32 = u32::MAX;

/// Why a text is refused.
#[derive(Debug)]
pub(super) enum Error {
    NotJson { at: usize, detail: &'static str },
    TooDeep,
}

impl Error {
    #[cold]
    pub(super) fn at(at: usize, detail: &'static str) -> Self {
        Error::NotJson { at, detail }
    }

    fn reason(self, limit: u32) -> Reason {
        match self {
            Error::NotJson { at, detail } => Reason::NotJson {
                at: at as u64,
                detail: detail.to_owned(),
            },
            Error::TooDeep => Reason::TooDeep { limit },
        }
    }
}

/// All values of a text, in its order.
pub(super) fn parse(text: &str, depth: u32) -> Result<Vec<Slot>, Reason> {
    if u32::try_from(text.len()).is_err() {
        return Err(Error::at(u32::MAX as usize, "longer than 4 GiB").reason(depth));
    }
    let mut buffer = Buffer::new();
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        specials: Specials::of(text.as_bytes(), &mut buffer),
        at: 0,
        slots: Vec::with_capacity(text.len() / BYTES_A_SLOT + 1),
        open: NONE,
        inside: None,
        level: 0,
        depth,
    };
    parser.run().map_err(|error| error.reason(depth))?;
    Ok(parser.slots)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    specials: Specials<'a>,
    at: usize,
    slots: Vec<Slot>,
    /// The innermost open container. While a container is open, its `next` holds the one around it.
    open: u32,
    /// Its type.
    inside: Option<Type>,
    level: u32,
    depth: u32,
}

/// A key as it was read; zeros outside objects.
#[derive(Clone, Copy, Default)]
struct Key {
    start: u32,
    end: u32,
    flags: u8,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), Error> {
        loop {
            self.skip_space();
            let key = match self.inside {
                Some(Type::Object) => self.key()?,
                _ => Key::default(),
            };
            let opened = self.value(key)?;
            if !opened && !self.is_followed()? {
                return Ok(());
            }
        }
    }

    /// Reads a key and its colon.
    #[inline]
    fn key(&mut self) -> Result<Key, Error> {
        if self.peek() != Some(b'"') {
            return Err(Error::at(self.at, "expected a key"));
        }
        let start = self.at + 1;
        let scanned = string::scan(self.bytes, self.specials, start)?;
        self.at = scanned.end + 1;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Error::at(self.at, "expected `:`"));
        }
        self.at += 1;
        self.skip_space();
        Ok(Key {
            start: start as u32,
            end: scanned.end as u32,
            flags: if scanned.escaped { KEY_ESCAPED } else { 0 },
        })
    }

    /// Reads a scalar, an empty container, or the opening of a container with a first value to come: then
    /// it returns `true`.
    #[inline]
    fn value(&mut self, key: Key) -> Result<bool, Error> {
        let start = self.at;
        let (kind, flags) = match self.peek() {
            Some(b'"') => {
                let scanned = string::scan(self.bytes, self.specials, start + 1)?;
                self.at = scanned.end + 1;
                (Type::String, if scanned.escaped { ESCAPED } else { 0 })
            }
            Some(b'{') => return self.open(Type::Object, key),
            Some(b'[') => return self.open(Type::Array, key),
            Some(first @ (b'-' | b'0'..=b'9')) => {
                self.number(first)?;
                (Type::Number, 0)
            }
            Some(b't') => (self.word("true", Type::Bool)?, 0),
            Some(b'f') => (self.word("false", Type::Bool)?, 0),
            Some(b'n') => (self.word("null", Type::Null)?, 0),
            Some(_) => return Err(Error::at(start, "expected a value")),
            None => return Err(Error::at(start, "expected a value, found the end")),
        };
        self.push(kind, key, start, flags);
        Ok(false)
    }

    fn open(&mut self, kind: Type, key: Key) -> Result<bool, Error> {
        if self.level == self.depth {
            return Err(Error::TooDeep);
        }
        self.level += 1;
        let index = self.slots.len() as u32;
        let start = self.at;
        self.at += 1;
        self.push(kind, key, start, 0);
        self.slots[index as usize].next = self.open;
        self.open = index;
        self.inside = Some(kind);
        self.skip_space();
        match (kind, self.peek()) {
            (Type::Object, Some(b'}')) | (Type::Array, Some(b']')) => {
                self.close();
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Reads what follows a value: closing brackets, then a comma (`true`) or the end.
    #[inline]
    fn is_followed(&mut self) -> Result<bool, Error> {
        loop {
            self.skip_space();
            match (self.inside, self.peek()) {
                (Some(_), Some(b',')) => {
                    self.at += 1;
                    return Ok(true);
                }
                (Some(Type::Object), Some(b'}')) | (Some(Type::Array), Some(b']')) => self.close(),
                (None, None) => return Ok(false),
                (None, _) => return Err(Error::at(self.at, "more text after the value")),
                (Some(Type::Object), _) => {
                    return Err(Error::at(self.at, "expected `,` or `}`"));
                }
                _ => return Err(Error::at(self.at, "expected `,` or `]`")),
            }
        }
    }

    fn close(&mut self) {
        self.at += 1;
        self.level -= 1;
        let closed = self.open as usize;
        let after = self.slots.len() as u32;
        let slot = &mut self.slots[closed];
        slot.end = self.at as u32;
        self.open = std::mem::replace(&mut slot.next, after);
        if slot.kind == Type::Object {
            shadow(self.text, &mut self.slots[closed + 1..], closed as u32 + 1);
        }
        self.inside = self.slots.get(self.open as usize).map(|slot| slot.kind);
    }

    fn number(&mut self, first: u8) -> Result<(), Error> {
        let mut number = Number::begin(first);
        loop {
            self.at += 1;
            number = match self.peek().map(|byte| number.next(byte)) {
                Some(Ok(Some(number))) => number,
                Some(Err(detail)) => return Err(Error::at(self.at, detail)),
                None if !number.is_complete() => {
                    return Err(Error::at(self.at, "expected a digit"));
                }
                Some(Ok(None)) | None => return Ok(()),
            };
        }
    }

    fn word(&mut self, word: &'static str, kind: Type) -> Result<Type, Error> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Error::at(self.at, "expected a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn push(&mut self, kind: Type, key: Key, start: usize, flags: u8) {
        self.slots.push(Slot {
            start: start as u32,
            end: self.at as u32,
            key_start: key.start,
            key_end: key.end,
            next: self.slots.len() as u32 + 1,
            kind,
            flags: flags | key.flags,
        });
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }
}

/// An object with more keys that have the quick hash of an earlier key is searched for equal keys with a hash map.
const FEW_ALIKE: usize = 4;

/// Marks each entry of an object that a later one with an equal key hides. `below` holds the slots
/// of all that is in the object, the first of which has the number `base`.
fn shadow(text: &str, below: &mut [Slot], base: u32) {
    // A set of hashes, which rules out an earlier equal key for nearly every key.
    let mut seen = [0_u64; 16];
    let (mut index, mut alike) = (0, 0);
    while let Some(slot) = below.get(index) {
        let hash = hash_of_key(text, slot);
        let (word, bit) = (hash as usize / 64 % seen.len(), 1 << (hash % 64));
        let next = (slot.next - base) as usize;
        if seen[word] & bit != 0 {
            alike += 1;
            if alike > FEW_ALIKE {
                return shadow_many(text, below, base);
            }
            shadow_earlier(text, below, index, base);
        }
        seen[word] |= bit;
        index = next;
    }
}

/// Marks the entries before `last` that have its key.
fn shadow_earlier(text: &str, below: &mut [Slot], last: usize, base: u32) {
    let key = decoded_key(text, &below[last]);
    let mut index = 0;
    while index < last {
        if decoded_key(text, &below[index]) == key {
            below[index].flags |= SHADOWED;
        }
        index = (below[index].next - base) as usize;
    }
}

fn shadow_many(text: &str, below: &mut [Slot], base: u32) {
    let mut last: HashMap<Cow<'_, str>, usize> = HashMap::new();
    let mut index = 0;
    while index < below.len() {
        if let Some(earlier) = last.insert(decoded_key(text, &below[index]), index) {
            below[earlier].flags |= SHADOWED;
        }
        index = (below[index].next - base) as usize;
    }
}

/// A quick hash of a key, decoded.
#[inline]
fn hash_of_key(text: &str, slot: &Slot) -> u32 {
    if slot.flags & KEY_ESCAPED != 0 {
        hash(decoded_key(text, slot).as_bytes())
    } else {
        hash(&text.as_bytes()[slot.key_start as usize..slot.key_end as usize])
    }
}

/// A quick hash of a key's length, first and last bytes, in the low ten bits.
#[inline]
fn hash(key: &[u8]) -> u32 {
    let (first, last) = match (key.first_chunk(), key.last_chunk()) {
        (Some(first), Some(last)) => (u32::from_le_bytes(*first), u32::from_le_bytes(*last)),
        _ => {
            let fold = |sum: u32, &byte: &u8| sum << 8 | u32::from(byte);
            (key.iter().fold(0, fold), 0)
        }
    };
    let mixed = first ^ last.rotate_left(16) ^ key.len() as u32;
    mixed.wrapping_mul(0x9e37_79b1) >> 22
}
