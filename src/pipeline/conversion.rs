//! The conversion in use, which may be replaced while events are delivered.

use std::sync::{Arc, PoisonError, RwLock};

use qtrail_core::Converter;

/// The conversion in use. Cheap to clone; a replacement is that of all clones.
#[derive(Clone)]
pub struct Conversion(Arc<RwLock<Arc<Converter>>>);

impl Conversion {
    pub(crate) fn new(converter: Converter) -> Self {
        Conversion(Arc::new(RwLock::new(Arc::new(converter))))
    }

    /// The conversion as it is now. A unit is converted by one of them from its beginning to its end.
    pub(crate) fn current(&self) -> Arc<Converter> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes how later units are converted.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Converter)) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut current));
    }
}
