//! qtrail
fn main() {}
