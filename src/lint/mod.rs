//! What a trail cannot show: events that it does not select, does not deliver, or that did not come.
//!
//! ```text
//! answers (files) ─┐
//! online (AWS) ────┴▶ Trail ──▶ rules ──▶ Finding, with the commands of mend
//! files, objects ───▶ Seen ───▶ hints ──▶
//! ```
//!
//! Enters: what AWS says about trails, and what was read of them. Leaves: findings. What must hold: all but `online`
//! does no I/O and reads no clock; a command that replaces settings has all that were there before; what AWS says
//! outweighs what was read, which can only suspect.

pub(crate) mod answers;
pub(crate) mod finding;
mod hints;
mod mend;
#[cfg(feature = "aws")]
pub(crate) mod online;
mod policy;
pub(crate) mod rules;
pub(crate) mod seen;
mod selectors;
mod settings;
mod status;
#[cfg(test)]
mod tests;
pub(crate) mod trail;
mod wanted;

pub(crate) use hints::hints;
