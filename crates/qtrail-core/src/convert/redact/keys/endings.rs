//! Which of many endings a name has, at little cost for names that have none.

use std::sync::LazyLock;

use super::Secret;
use super::names::{
    self, ALL, COUNTED, LABELS as LABEL_LIST, SCALAR, SPARED as SPARED_LIST, WHOLE,
};

/// Endings by their last letter or digit.
pub(super) struct Endings<T: 'static>([Vec<(&'static str, T)>; 36]);

pub(super) static SECRETS: LazyLock<Endings<Secret>> = LazyLock::new(|| {
    let of = |list: &'static [&str], secret| list.iter().map(move |end| (*end, secret));
    let all = of(ALL, Secret::All).chain(of(COUNTED, Secret::Counted));
    Endings::new(all.chain(of(SCALAR, Secret::Scalar)))
});

pub(super) static SPARED: LazyLock<Endings<()>> = LazyLock::new(|| Endings::names(SPARED_LIST));
pub(super) static FORMS: LazyLock<Endings<()>> = LazyLock::new(|| Endings::names(names::FORMS));
pub(super) static LABELS: LazyLock<Endings<()>> = LazyLock::new(|| Endings::names(LABEL_LIST));

impl Endings<()> {
    fn names(list: &'static [&str]) -> Self {
        Endings::new(list.iter().map(|end| (*end, ())))
    }
}

impl<T: Copy> Endings<T> {
    fn new(list: impl Iterator<Item = (&'static str, T)>) -> Self {
        let mut by_letter = [const { Vec::new() }; 36];
        for (end, what) in list {
            if let Some(letter) = last(end.as_bytes()) {
                by_letter[letter].push((end, what));
            }
        }
        Endings(by_letter)
    }

    /// The ending that a name in small letters has.
    pub(super) fn of(&self, name: &str) -> Option<(&'static str, T)> {
        let list = &self.0[last(name.as_bytes())?];
        list.iter().find(|(end, _)| name.ends_with(end)).copied()
    }
}

/// The number of a name's last letter or digit.
fn last(name: &[u8]) -> Option<usize> {
    match *name.last()? {
        byte @ b'a'..=b'z' => Some((byte - b'a').into()),
        byte @ b'0'..=b'9' => Some((byte - b'0' + 26).into()),
        _ => None,
    }
}

/// So many last letters tell a long ending.
const LONG: usize = 6;
/// So many are looked at first.
const SHORT: usize = 3;

/// The last letters of names of secrets.
static OF_SECRETS: Letters = Letters::of(&[ALL, COUNTED, SCALAR, &["code", "pass", "psk"]]);
/// The same of what may follow.
static OF_FORMS: Letters = Letters::of(&[names::FORMS]);
/// The same of all names.
static OF_ALL: Letters = Letters::of(&[
    ALL,
    COUNTED,
    SCALAR,
    WHOLE,
    &["code", "pass", "psk"],
    names::FORMS,
]);

/// Names by their length and last letters.
const fn told<const N: usize>(list: &[&str]) -> [(usize, u64); N] {
    let mut names = [(0, 0); N];
    let mut at = 0;
    while at < N {
        let name = list[at].as_bytes();
        names[at] = (name.len(), last_bytes(name));
        at += 1;
    }
    names
}

const WHOLE_NAMES: [(usize, u64); WHOLE.len()] = told(WHOLE);
const FORM_NAMES: [(usize, u64); names::FORMS.len()] = told(names::FORMS);

/// A bit for the last three letters of each ending, and one for the last six of each long one.
struct Letters {
    three: [u64; 512],
    six: [u64; 64],
    /// The last three letters of a short one.
    short: [u64; 512],
}

impl Letters {
    const fn of(lists: &[&[&str]]) -> Self {
        let mut letters = Letters {
            three: [0; 512],
            six: [0; 64],
            short: [0; 512],
        };
        let mut list = 0;
        while list < lists.len() {
            let mut name = 0;
            while name < lists[list].len() {
                let bytes = lists[list][name].as_bytes();
                let last = last_bytes(bytes);
                let at = three(last);
                letters.three[at / 64] |= 1 << (at % 64);
                if bytes.len() >= LONG {
                    let at = six(last);
                    letters.six[at / 64] |= 1 << (at % 64);
                } else {
                    letters.short[at / 64] |= 1 << (at % 64);
                }
                name += 1;
            }
            list += 1;
        }
        letters
    }

    /// Whether an ending may end in these three letters.
    fn may_end(&self, last: u64) -> bool {
        self.three[three(last) / 64] & 1 << (three(last) % 64) != 0
    }

    /// A closer look.
    fn may_well_end(&self, last: u64, length: usize) -> bool {
        self.short[three(last) / 64] & 1 << (three(last) % 64) != 0
            || length >= LONG && self.six[six(last) / 64] & 1 << (six(last) % 64) != 0
    }
}

/// A name's last eight bytes, the last one lowest, as small letters.
const fn last_bytes(name: &[u8]) -> u64 {
    if let Some(last) = name.last_chunk::<8>() {
        return u64::from_be_bytes(*last) | 0x2020_2020_2020_2020;
    }
    let mut last = 0;
    let mut at = 0;
    while at < name.len() {
        last = last << 8 | (name[at] | 0x20) as u64;
        at += 1;
    }
    last
}

/// A number below 2^15 for the last three letters.
const fn three(last: u64) -> usize {
    (last & 31 | (last >> 3) & (31 << 5) | (last >> 6) & (31 << 10)) as usize
}

/// A number below 2^12 for the last six.
const fn six(last: u64) -> usize {
    ((last & 0xffff_ffff_ffff).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize
}

/// Whether so many of these bytes are letters, all of them.
fn are_letters(last: u64, letters: usize) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x80 * ONES;
    // A byte's high bit tells whether it is at least `a`, and whether it is beyond `z`.
    let from_a = last.wrapping_add(ONES * (0x80 - b'a' as u64));
    let beyond_z = last.wrapping_add(ONES * (0x80 - b'z' as u64 - 1));
    let highs = HIGHS & (u64::MAX >> (64 - 8 * letters));
    last & highs == 0 && from_a & !beyond_z & highs == highs
}

/// A quick look at a name's end: `false` is certain.
#[inline]
pub(super) fn may_be_secret(name: &[u8]) -> bool {
    if name.len() < SHORT {
        return false;
    }
    let last = last_bytes(name);
    // A digit, or what is no letter, takes a closer look.
    !are_letters(last, SHORT) || OF_ALL.may_end(last) && may_well_be_secret(name)
}

/// A closer look; `false` is certain.
#[inline(never)]
fn may_well_be_secret(mut name: &[u8]) -> bool {
    if WHOLE_NAMES.contains(&(name.len(), last_bytes(name))) {
        return true;
    }
    loop {
        let last = last_bytes(name);
        if name.len() < SHORT {
            return false;
        }
        if !are_letters(last, name.len().min(LONG)) || OF_SECRETS.may_well_end(last, name.len()) {
            return true;
        }
        if !OF_FORMS.may_well_end(last, name.len()) {
            return false;
        }
        let ends = |(form, (length, letters)): &(&&str, &(usize, u64))| {
            let seen = u64::MAX >> (64 - 8 * (*length).min(8));
            name.len() >= *length
                && (last ^ letters) & seen == 0
                && (*length <= 8
                    || name[name.len() - length..].eq_ignore_ascii_case(form.as_bytes()))
        };
        let form = names::FORMS.iter().zip(&FORM_NAMES).find(ends);
        match form {
            Some((form, _)) => name = &name[..name.len() - form.len()],
            None => return false,
        }
    }
}
