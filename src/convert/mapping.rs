//! The one description of which field becomes what.

use super::attributes::Field;

/// Every row of the mapping, in the order in which the attributes are said.
pub static FIELDS: &[Field] = &[];
