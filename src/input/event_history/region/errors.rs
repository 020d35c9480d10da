//! Errors of a region: logged, and set as a stall.

use tracing::warn;

use super::Region;
use crate::aws;
use crate::aws::error::Remedy;
use crate::input::event_history::lookup::{Lookup, PAGE};
use crate::input::event_history::pace::PAUSE;
use crate::input::event_history::slices::Slice;
use crate::runtime::database;
use crate::telemetry::stalls::Cause;

impl<L: Lookup> Region<L> {
    pub(super) fn log_error(&self, error: &aws::Error) {
        let (kind, remedy) = match error.remedy {
            Remedy::Retry => ("retry", ""),
            Remedy::Denied => ("denied", "it takes cloudtrail:LookupEvents; "),
            _ => ("mend", ""),
        };
        let (region, passes) = (&*self.name, error.remedy == Remedy::Retry);
        let reason = format!("the event history of {region} cannot be read: {remedy}{error}");
        let stalls = &self.shared.metrics.stalls;
        stalls.set_error(Cause::EventHistoryUnreadable, region, passes, reason);
        if let Some(left_out) = self.log_throttle.due(kind) {
            let again = match self.shared.settings.once && error.remedy != Remedy::Retry {
                true => "the next run tries it again",
                false => "it is tried again",
            };
            warn!(region, left_out, "event history: {error}; {remedy}{again}");
        }
    }

    pub(super) fn log_state_error(&self, error: &database::Error) {
        if let Some(left_out) = self.log_throttle.due("state") {
            warn!(left_out, "{error}; it is tried again");
        }
    }

    /// AWS allows two pages a second.
    pub(super) fn warn_if_too_many(&self, slice: Slice, pages: u64) {
        let seconds = pages as f64 * PAUSE.as_secs_f64();
        if seconds > slice.seconds() as f64
            && let Some(left_out) = self.log_throttle.due("too many")
        {
            let most = f64::from(PAGE) / PAUSE.as_secs_f64();
            warn!(
                region = &*self.name,
                left_out,
                "there are more events than the {most} a second that LookupEvents gives: \
                 name event_history.event_sources, or make a trail"
            );
        }
    }
}
