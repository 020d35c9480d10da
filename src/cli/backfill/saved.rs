//! What a backfill remembers between runs, and the selection of files.

use globset::GlobSet;

use super::Run;
use crate::cli::args::when::When;
use crate::cli::count;
use crate::config;
use crate::input::backfill::Listed;
use crate::input::backfill::days::shown;
use crate::input::backfill::layout::Wanted;
use crate::input::backfill::plan::Plan;

/// The name under which it is saved that the spans of the conversations were sent.
pub(super) const CONVERSATIONS: &str = "conversations";

impl Run {
    /// The plan with the progress so far. A dry run creates nothing.
    pub(super) fn plan(&self) -> anyhow::Result<Option<Plan>> {
        if self.args.dry_run {
            return Ok(match Plan::is_there(&self.folder) {
                true => Some(Plan::open(&self.folder)?),
                false => None,
            });
        }
        let plan = Plan::open(&self.folder)?;
        if self.args.again {
            plan.remove(&self.start_name())?;
            plan.remove(CONVERSATIONS)?;
            // Events in the set of delivered ids would be dropped.
            if let Some(duplicates) = &self.config.duplicates {
                crate::pipeline::dedup::forget(duplicates)?;
            }
        }
        Ok(Some(plan))
    }

    /// Whether the spans of the conversations are still to be sent, although every file is done.
    ///
    /// # Errors
    /// They were sent, and now there are further files, which could change them.
    pub(super) fn conversations_wait(
        &self,
        plan: Option<&Plan>,
        listed: &Listed,
    ) -> anyhow::Result<bool> {
        let Some(plan) = plan.filter(|_| self.args.assemble) else {
            return Ok(false);
        };
        let sent = plan.stored(CONVERSATIONS)?.is_some();
        let left = listed.left.files;
        anyhow::ensure!(
            !sent || left == 0,
            "the conversations of this range were sent, and {} came since: with --again, all is sent again; a range \
             with an earlier --to leaves out what came late",
            count(left, "file")
        );
        Ok(!sent && listed.done.files > 0)
    }

    /// The name under which a relative start is saved until everything since then is done.
    pub(super) fn start_name(&self) -> String {
        let args = &self.args;
        format!(
            "from {:?} {:?} {:?}",
            args.from, args.accounts, args.regions
        )
    }

    pub(super) fn selection(&self, plan: Option<&Plan>, now: i64) -> anyhow::Result<Wanted> {
        let mut from = self.args.from.first(now);
        if let (Some(plan), When::Ago(_)) = (plan, self.args.from) {
            let saved = match self.args.dry_run {
                true => plan.stored(&self.start_name())?.unwrap_or(from),
                false => plan.store(&self.start_name(), from)?,
            };
            if saved != from {
                tracing::info!("resuming from {}, the start of the first run", shown(saved));
            }
            from = saved;
        }
        let to = self.args.to.map_or(i64::MAX, |to| to.end(now));
        if from >= to {
            let (from, to) = (shown(from), shown(to));
            let problem = format!("--from {from} is not before --to {to}");
            return Err(config::Error::of(problem).into());
        }
        Ok(Wanted {
            from,
            to,
            accounts: self.args.accounts.iter().cloned().collect(),
            regions: self.args.regions.iter().cloned().collect(),
            exclude: GlobSet::new(self.args.exclude.iter().cloned())?,
        })
    }
}
