//! Numbers of bytes, for people.

/// In units of 1,000, as in all summaries.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 10_000_000_000 => format!("{:.1} GB", b as f64 / 1e9),
        b if b >= 1_000_000 => format!("{:.1} MB", b as f64 / 1e6),
        b if b >= 1_000 => format!("{:.1} kB", b as f64 / 1e3),
        b => super::count(b, "byte"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn a_size_has_the_unit_that_reads_best() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (2_500, "2.5 kB"),
            (45_678_000, "45.7 MB"),
            (12_000_000_000, "12.0 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
