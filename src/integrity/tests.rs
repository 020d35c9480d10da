//! Whole verifications, of buckets that the tests write and sign themselves.

mod arriving;
mod honest;
mod tampering;
mod world;
