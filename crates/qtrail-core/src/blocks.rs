//! 64 bytes at a time: what the searches by blocks have in common.
//!
//! What must hold: a mask is the same on every processor; its bit 0 is the block's first byte.

/// The bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// The classes of each byte of a block, by a table: eight bytes a word.
pub(crate) struct Classes([u64; BLOCK / 8]);

impl Classes {
    #[inline(always)]
    pub(crate) fn of(block: &[u8; BLOCK], table: &[u8; 256]) -> Self {
        Classes(std::array::from_fn(|word| {
            u64::from_le_bytes(std::array::from_fn(|at| {
                table[usize::from(block[8 * word + at])]
            }))
        }))
    }

    /// The bytes of a class, which is one bit.
    #[inline(always)]
    pub(crate) fn mask(&self, class: u8) -> u64 {
        let words = self.0.iter().enumerate();
        words.fold(0, |mask, (word, classes)| {
            mask | gather(classes >> class.trailing_zeros()) << (8 * word)
        })
    }
}

/// The lowest bit of each of the eight bytes of a word.
#[inline(always)]
pub(crate) fn gather(word: u64) -> u64 {
    // Multiplication gathers them in the highest byte of the product.
    (word & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use std::arch::x86_64::__m256i;

    use pulp::x86::V3;

    use super::BLOCK;

    /// The two halves of a block.
    pub(crate) type Halves = [__m256i; 2];

    #[inline(always)]
    pub(crate) fn halves(block: &[u8; BLOCK]) -> Halves {
        pulp::cast(*block)
    }

    /// The highest bit of each byte.
    #[inline(always)]
    pub(crate) fn bits(simd: V3, [low, high]: Halves) -> u64 {
        let low = simd.avx2._mm256_movemask_epi8(low).cast_unsigned();
        let high = simd.avx2._mm256_movemask_epi8(high).cast_unsigned();
        u64::from(low) | u64::from(high) << 32
    }

    /// The bytes that equal this one.
    #[inline(always)]
    pub(crate) fn equal(simd: V3, [low, high]: Halves, byte: u8) -> u64 {
        let byte = simd.avx._mm256_set1_epi8(byte.cast_signed());
        let low = simd.avx2._mm256_cmpeq_epi8(low, byte);
        let high = simd.avx2._mm256_cmpeq_epi8(high, byte);
        bits(simd, [low, high])
    }

    /// The same bytes with the bit that makes `{` of `[`, `}` of `]`, and small letters of capitals. No other byte
    /// becomes one of these braces or `v`.
    #[inline(always)]
    pub(crate) fn small(simd: V3, [low, high]: Halves) -> Halves {
        let bit = simd.avx._mm256_set1_epi8(0x20);
        [
            simd.avx2._mm256_or_si256(low, bit),
            simd.avx2._mm256_or_si256(high, bit),
        ]
    }
}
