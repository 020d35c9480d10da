//! What every room of the process uses.

pub(crate) mod codec;
pub(crate) mod database;
pub(crate) mod line_file;
pub(crate) mod no_proxy;
pub(crate) mod pem;
pub(crate) mod reload;
pub mod shutdown;
