//! Whole verifications, of buckets that the tests write and sign themselves.

mod honest;
mod tampering;
mod world;
