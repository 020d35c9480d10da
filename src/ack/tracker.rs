//! Settlements, in any order, become commits.
