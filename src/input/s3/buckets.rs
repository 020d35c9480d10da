//! The buckets that a queue's messages may announce objects of.
//!
//! Enters: names and patterns, from the configuration or a queue's policy. Leaves: whether a bucket matches.
//! What must hold: a bucket's name in a message is compared as a whole, and is never a pattern.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Buckets by name, or by patterns with `*` and `?`.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Buckets {
    /// Ignores texts that are neither a bucket's name nor a pattern.
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        let mut buckets = Buckets::default();
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(&pattern).build();
            if let (true, Ok(glob)) = (is_pattern(&pattern), glob)
                && !buckets.patterns.contains(&pattern)
            {
                set.add(glob);
                buckets.patterns.push(pattern);
            }
        }
        if let Ok(set) = set.build() {
            buckets.set = set;
        }
        buckets
    }

    /// Whether a bucket matches.
    pub fn contains(&self, bucket: &str) -> bool {
        self.set.is_match(bucket)
    }

    /// Whether every bucket matches: none is named, or a pattern names all.
    pub fn names_none(&self) -> bool {
        let all = |pattern: &String| pattern.bytes().all(|byte| byte == b'*');
        self.patterns.is_empty() || self.patterns.iter().any(all)
    }

    /// Whether no pattern was given.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The names and patterns, for people.
    pub fn shown(&self) -> String {
        self.patterns.join(", ")
    }
}

/// Whether a text can be a bucket's name, or a pattern for one.
pub fn is_pattern(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*?".contains(&byte);
    !text.is_empty() && text.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(patterns: &[&str]) -> Buckets {
        Buckets::new(patterns.iter().map(|pattern| (*pattern).to_owned()))
    }

    #[test]
    fn a_bucket_is_compared_as_a_whole() {
        let some = buckets(&["trail", "logs-*-eu", "a?c", "a?c", "x.y"]);
        for bucket in [
            "trail",
            "logs-1-eu",
            "logs--eu",
            "logs-a.b-eu",
            "abc",
            "x.y",
        ] {
            assert!(some.contains(bucket), "{bucket}");
        }
        for bucket in [
            "",
            "Trail",
            "trail2",
            "mytrail",
            "logs-eu",
            "logs-1-eu2",
            "ac",
            "xzy",
            "*",
            "a?cd",
        ] {
            assert!(!some.contains(bucket), "{bucket}");
        }
        assert_eq!(some.shown(), "trail, logs-*-eu, a?c, x.y");
        assert!(!some.names_none());
    }

    #[test]
    fn none_and_all_name_no_bucket_and_what_is_no_pattern_is_left_out() {
        assert!(buckets(&[]).names_none() && !buckets(&[]).contains("b"));
        assert!(buckets(&["a", "*"]).names_none() && buckets(&["**"]).contains("b"));
        assert!(buckets(&["a/b", "[ab]", "{a,b}", "a b", ""]).is_empty());
    }
}
