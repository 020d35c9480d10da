//! Inflating, bounded.
