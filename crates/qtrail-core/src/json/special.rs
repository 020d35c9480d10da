//! Where a text has bytes that a JSON string must escape, found 64 at a time.
//!
//! What must hold: they are the same on every processor.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m256i;

#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, x86::V3};

#[cfg(target_arch = "x86_64")]
use crate::blocks::avx2::{bits, halves};
use crate::blocks::{BLOCK, gather};

/// The masks of a usual record take no allocation.
const USUAL_BLOCKS: usize = 64;

/// Memory for the [`Specials`] of a text.
pub(super) struct Buffer {
    usual: [u64; USUAL_BLOCKS],
    large: Vec<u64>,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Buffer {
            usual: [0; USUAL_BLOCKS],
            large: Vec::new(),
        }
    }
}

/// The quotes, backslashes and control characters of a text: a bit for each of its bytes, and at least one
/// more that is set.
#[derive(Clone, Copy)]
pub(super) struct Specials<'b>(&'b [u64]);

impl<'b> Specials<'b> {
    pub(super) fn of(text: &[u8], buffer: &'b mut Buffer) -> Self {
        let blocks = text.len() / BLOCK + 1;
        let masks = match buffer.usual.get_mut(..blocks) {
            Some(masks) => masks,
            None => {
                buffer.large.resize(blocks, 0);
                &mut buffer.large[..]
            }
        };
        fill(masks, text);
        Specials(masks)
    }

    /// The first special byte from `at` on. `at` is at most the text's length; so is the result.
    #[inline]
    pub(super) fn next(&self, at: usize) -> usize {
        let (mut block, from) = (at / BLOCK, at % BLOCK);
        let mut mask = self.0[block] >> from << from;
        while mask == 0 {
            block += 1;
            mask = self.0[block];
        }
        block * BLOCK + mask.trailing_zeros() as usize
    }
}

fn fill(masks: &mut [u64], text: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = V3::try_new() {
        return simd.vectorize(Vectorized { simd, masks, text });
    }
    fill_with(Portable, masks, text);
}

#[inline(always)]
fn fill_with(find: impl Find, masks: &mut [u64], text: &[u8]) {
    let (blocks, rest) = text.as_chunks();
    for (mask, block) in masks.iter_mut().zip(blocks) {
        *mask = find.specials(block);
    }
    // The bytes behind the text are zeros, which are special.
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    masks[blocks.len()] = find.specials(&last);
}

/// A way to find the special bytes of a block.
trait Find {
    /// Bit 0 is the first byte.
    fn specials(&self, block: &[u8; BLOCK]) -> u64;
}

/// By 64-bit words, on any processor.
struct Portable;

impl Find for Portable {
    fn specials(&self, block: &[u8; BLOCK]) -> u64 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const LOW: u64 = !(ONES << 7);
        // The high bit of each byte that is zero.
        let zeros = |word: u64| !(((word & LOW) + LOW) | word | LOW);
        let (words, _) = block.as_chunks();
        words.iter().rev().fold(0, |mask, word| {
            let word = u64::from_le_bytes(*word);
            let special = zeros(word ^ (ONES * u64::from(b'"')))
                | zeros(word ^ (ONES * u64::from(b'\\')))
                | zeros(word & (ONES * 0xe0));
            mask << 8 | gather(special >> 7)
        })
    }
}

#[cfg(target_arch = "x86_64")]
struct Vectorized<'a> {
    simd: V3,
    masks: &'a mut [u64],
    text: &'a [u8],
}

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for Vectorized<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        fill_with(self.simd, self.masks, self.text);
    }
}

#[cfg(target_arch = "x86_64")]
impl Find for V3 {
    #[inline(always)]
    fn specials(&self, block: &[u8; BLOCK]) -> u64 {
        let [low, high] = halves(block);
        bits(*self, [half(*self, low), half(*self, high)])
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn half(V3 { avx, avx2, .. }: V3, bytes: __m256i) -> __m256i {
    let quote = avx2._mm256_cmpeq_epi8(bytes, avx._mm256_set1_epi8(b'"'.cast_signed()));
    let backslash = avx2._mm256_cmpeq_epi8(bytes, avx._mm256_set1_epi8(b'\\'.cast_signed()));
    let least = avx2._mm256_min_epu8(bytes, avx._mm256_set1_epi8(0x1f));
    let control = avx2._mm256_cmpeq_epi8(bytes, least);
    avx2._mm256_or_si256(avx2._mm256_or_si256(quote, backslash), control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agree(text: &[u8]) {
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let (mut buffer, mut portable) = (Buffer::new(), vec![0; text.len() / BLOCK + 1]);
        fill_with(Portable, &mut portable, text);
        let all = [Specials::of(text, &mut buffer), Specials(&portable)];
        for at in 0..=text.len() {
            let next = text[at..].iter().position(is_special);
            let next = next.map_or(text.len(), |next| at + next);
            for specials in &all {
                assert_eq!(specials.next(at), next, "{at} in {text:?}");
            }
        }
    }

    #[test]
    fn every_byte_is_special_or_not_wherever_it_stands() {
        for byte in 0..=255 {
            for length in [0, 1, 63, 64, 65, 128, USUAL_BLOCKS * BLOCK] {
                agree(&vec![byte; length]);
                let mut text = vec![b'a'; length];
                text.push(byte);
                text.extend([b'a'; 70]);
                agree(&text);
            }
        }
    }

    proptest! {
        #[test]
        fn special_bytes_are_those_of_a_slow_reader(text in "[\"\\\\\n a-e€]{0,200}") {
            agree(text.as_bytes());
        }
    }
}
