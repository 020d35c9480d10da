//! A collector that misbehaves on demand.
