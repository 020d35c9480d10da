//! Whether JSON may show a secret at all, by one look at 64 bytes at a time.
//!
//! Enters: entries of a JSON object, from the first key on. Leaves: `false` if certainly no key or string in them
//! shows a secret, except for an AWS key, which has no mark ([`super::is_key_in`]). What must hold: a key or string
//! in which [`super::find`] or a search in an encoding finds a secret makes it `true`; the masks are the same on
//! every processor.

#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, x86::V3};

use super::assignments;
use super::tokens::{BASE64_OF_JSON, OTHERS, TOKENS};
use crate::blocks::{BLOCK, Classes};

/// Whether a key or string in this JSON may show a secret or be JSON itself, or a key may hold `privateKey`.
pub(in crate::convert::redact) fn may_be_in(json: &[u8]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = V3::try_new() {
        return simd.vectorize(Vectorized { simd, json });
    }
    may_be_in_by(Portable, json)
}

#[cfg(target_arch = "x86_64")]
struct Vectorized<'a> {
    simd: V3,
    json: &'a [u8],
}

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for Vectorized<'_> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        may_be_in_by(self.simd, self.json)
    }
}

#[inline(always)]
fn may_be_in_by<C: Classify>(classify: C, json: &[u8]) -> bool {
    // Whether the byte before the block is a word's, or a quote: the first key's begins outside.
    let (mut word, mut quote) = (0, 1);
    for (block, start) in json.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        let masks = match block.first_chunk() {
            Some(block) => classify.masks(block),
            None => {
                let mut padded = [0; BLOCK];
                padded[..block.len()].copy_from_slice(block);
                classify.masks(&padded)
            }
        };
        let after_word = masks.word << 1 | word;
        let after_quote = masks.quote << 1 | quote;
        // In a string, a backslash is before each quote. So a colon after a quote is JSON's own, and a
        // bracket or a blank after one begins a string that may be JSON.
        if (masks.open | masks.blank) & after_quote != 0 {
            return true;
        }
        let mut words = masks.letter & !after_word;
        let mut others = masks.sign
            | masks.blank
            | masks.colon & !after_quote
            | masks.dash & !after_word
            | masks.v;
        (word, quote) = (masks.word >> (BLOCK - 1), masks.quote >> (BLOCK - 1));
        while words != 0 {
            if begins_mark(&json[start + words.trailing_zeros() as usize..]) {
                return true;
            }
            words &= words - 1;
        }
        while others != 0 {
            if shows(json, start + others.trailing_zeros() as usize) {
                return true;
            }
            others &= others - 1;
        }
    }
    false
}

/// Whether this byte, which begins no word, may be of a secret or before or behind one.
#[inline(always)]
fn shows(json: &[u8], at: usize) -> bool {
    match json[at] {
        b' ' => ends_in_scheme(&json[..at]),
        b':' => assignments::may_assign(json, at),
        b'v' | b'V' => is_in_private(json, at),
        // A separator of names and values, the start of an encoding, an option, or a private key's heading.
        _ => true,
    }
}

/// Whether a mark may begin with this word. No mark begins inside a word, except for those of [`INSIDE`]
/// and of schemes.
#[inline(always)]
fn begins_mark(word: &[u8]) -> bool {
    word.first_chunk()
        .is_some_and(|first| BEGINNINGS[slot(*first) / 64] >> (slot(*first) % 64) & 1 != 0)
}

/// The bits of the first three bytes of all marks.
static BEGINNINGS: [u64; SLOTS / 64] = {
    let mut bits = [0; SLOTS / 64];
    let mut token = 0;
    while token < TOKENS.len() {
        add(&mut bits, TOKENS[token].0);
        token += 1;
    }
    let lists = [OTHERS, BASE64_OF_JSON, INSIDE];
    let mut list = 0;
    while list < lists.len() {
        let mut mark = 0;
        while mark < lists[list].len() {
            add(&mut bits, lists[list][mark]);
            mark += 1;
        }
        list += 1;
    }
    bits
};

const fn add(bits: &mut [u64; SLOTS / 64], mark: &str) {
    let [one, two, three, ..] = mark.as_bytes() else {
        panic!("a mark has three bytes");
    };
    let slot = slot([*one, *two, *three]);
    bits[slot / 64] |= 1 << (slot % 64);
}

/// So many bits that few words share one with a mark.
const SLOTS: usize = 1 << 16;

/// The bit of three bytes.
const fn slot([one, two, three]: [u8; 3]) -> usize {
    let bytes = u32::from_le_bytes([one, two, three, 0]);
    (bytes.wrapping_mul(0x9e37_79b1) >> (u32::BITS - SLOTS.ilog2())) as usize
}

/// Words in marks that may begin inside another word: in `PuTTY-User-Key-File-`.
const INSIDE: &[&str] = &["Key-File-"];

/// Whether a text ends in `Bearer` or `Basic`, in small letters or capitals.
fn ends_in_scheme(text: &[u8]) -> bool {
    matches!(text, [.., one, two] if matches!(&[one | 0x20, two | 0x20], b"er" | b"ic"))
}

/// Whether this is the `v` of `private`.
fn is_in_private(json: &[u8], at: usize) -> bool {
    let around = at.checked_sub(1).and_then(|start| json.get(start..at + 2));
    around.is_some_and(|around| around.eq_ignore_ascii_case(b"iva"))
}

/// What a block holds; bit 0 is its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Masks {
    letter: u64,
    /// Letters, digits and `_`.
    word: u64,
    sign: u64,
    blank: u64,
    dash: u64,
    colon: u64,
    quote: u64,
    /// `{` and `[`.
    open: u64,
    /// `v` and `V`.
    v: u64,
}

/// A way to make the masks.
trait Classify: Copy {
    fn masks(self, block: &[u8; BLOCK]) -> Masks;
}

const LETTER: u8 = 1;
const WORD: u8 = 1 << 1;
const SIGN: u8 = 1 << 2;
const BLANK: u8 = 1 << 3;
const DASH: u8 = 1 << 4;
const COLON: u8 = 1 << 5;
const QUOTE: u8 = 1 << 6;
/// With [`LETTER`], of `v`; else of a bracket.
const OPEN: u8 = 1 << 7;

/// The classes of each byte.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'v' | b'V' => OPEN | LETTER | WORD,
            b'{' | b'[' => OPEN,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER | WORD,
            b'0'..=b'9' | b'_' => WORD,
            b'=' | b'>' | b'@' | b'\\' | b'%' | b'&' | b'+' => SIGN,
            b' ' => BLANK,
            b'-' => DASH,
            b':' => COLON,
            b'"' => QUOTE,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// By a table and 64-bit words, on any processor.
#[derive(Debug, Clone, Copy)]
struct Portable;

impl Classify for Portable {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        let classes = Classes::of(block, &CLASSES);
        let mask = |class| classes.mask(class);
        Masks {
            letter: mask(LETTER),
            word: mask(WORD),
            sign: mask(SIGN),
            blank: mask(BLANK),
            dash: mask(DASH),
            colon: mask(COLON),
            quote: mask(QUOTE),
            open: mask(OPEN) & !mask(LETTER),
            v: mask(OPEN) & mask(LETTER),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::__m256i;

    use pulp::x86::V3;

    use super::{BLOCK, Classify, Masks};
    use crate::blocks::avx2::{Halves, equal, halves, small};

    impl Classify for V3 {
        #[inline(always)]
        fn masks(self, block: &[u8; BLOCK]) -> Masks {
            let halves = halves(block);
            let groups = [groups(self, halves[0]), groups(self, halves[1])];
            let small = small(self, halves);
            Masks {
                letter: any(self, groups, LETTERS),
                word: any(self, groups, WORDS),
                sign: any(self, groups, !WORDS),
                blank: equal(self, halves, b' '),
                dash: equal(self, halves, b'-'),
                colon: equal(self, halves, b':'),
                quote: equal(self, halves, b'"'),
                open: equal(self, small, b'{'),
                v: equal(self, small, b'v'),
            }
        }
    }

    /// Bytes with one of these high nibbles and one of these low nibbles, which are bits: letters, digits
    /// and `_`, then signs.
    const GROUPS: [(u16, u16); 8] = [
        (1 << 4 | 1 << 6, !1),               // `A` to `O`, `a` to `o`
        (1 << 5 | 1 << 7, (1 << 11) - 1),    // `P` to `Z`, `p` to `z`
        (1 << 3, (1 << 10) - 1),             // digits
        (1 << 5, 1 << 15),                   // `_`
        (1 << 2, 1 << 5 | 1 << 6 | 1 << 11), // `%`, `&`, `+`
        (1 << 3, 1 << 13 | 1 << 14),         // `=`, `>`
        (1 << 4, 1),                         // `@`
        (1 << 5, 1 << 12),                   // `\`
    ];
    const LETTERS: u8 = 0b0011;
    const WORDS: u8 = 0b1111;

    /// For each high nibble, and for each low one, a bit for each group.
    const ROWS: ([u8; 16], [u8; 16]) = {
        let (mut high, mut low) = ([0; 16], [0; 16]);
        let mut at = 0;
        while at < 16 * GROUPS.len() {
            let (nibble, group) = (at % 16, at / 16);
            high[nibble] |= ((GROUPS[group].0 >> nibble & 1) as u8) << group;
            low[nibble] |= ((GROUPS[group].1 >> nibble & 1) as u8) << group;
            at += 1;
        }
        (high, low)
    };

    /// For each byte, a bit for each group that it is in.
    #[inline(always)]
    fn groups(simd: V3, bytes: __m256i) -> __m256i {
        let nibble = simd.avx._mm256_set1_epi8(0x0f);
        let low = simd.avx2._mm256_and_si256(bytes, nibble);
        let high = simd.avx2._mm256_srli_epi16::<4>(bytes);
        let high = simd.avx2._mm256_and_si256(high, nibble);
        let high = simd
            .avx2
            ._mm256_shuffle_epi8(pulp::cast([ROWS.0, ROWS.0]), high);
        let low = simd
            .avx2
            ._mm256_shuffle_epi8(pulp::cast([ROWS.1, ROWS.1]), low);
        simd.avx2._mm256_and_si256(high, low)
    }

    /// The bytes that are in any of these groups.
    #[inline(always)]
    fn any(simd: V3, groups: Halves, of: u8) -> u64 {
        let of = simd.avx._mm256_set1_epi8(of.cast_signed());
        let low = simd.avx2._mm256_and_si256(groups[0], of);
        let high = simd.avx2._mm256_and_si256(groups[1], of);
        !equal(simd, [low, high], 0)
    }
}

#[cfg(test)]
mod tests;
