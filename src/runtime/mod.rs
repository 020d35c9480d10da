//! What every room of the process uses.

pub(crate) mod beneath;
pub mod budget;
pub(crate) mod build_info;
pub(crate) mod clock;
pub(crate) mod codec;
pub mod database;
pub mod endpoint;
pub mod health;
pub(crate) mod line_file;
pub(crate) mod no_proxy;
pub(crate) mod paths;
pub(crate) mod pem;
pub(crate) mod reload;
pub(crate) mod retry;
pub mod shutdown;
pub(crate) mod temporary;
pub(crate) mod terminal;
pub(crate) mod times;
