//! How a running Redis is made to write its data in the form that its next start reads: one command or look after the
//! other, as a pure function of what Redis says. With an append-only file a start reads nothing else; without one, it
//! reads the last snapshot.

#[cfg(test)]
mod world;

use super::config::Disk;
use super::talk::{Command, Persistence};

/// Save points for a configuration that we do not know. Any make Redis take a snapshot at its end.
const SOME_POINTS: &str = "3600 1";

/// Something that Redis is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Keep an append-only file; Redis first writes in the background what it has.
    SwitchOn,
    /// Keep none, because it could not be written.
    SwitchOff,
    /// Set these save points: Redis then also takes a snapshot when it is told to end.
    SavePoints(String),
    /// Take a snapshot.
    Snapshot,
}

impl Deed {
    /// As Redis takes it.
    pub fn command(&self) -> Command {
        match self {
            Deed::SwitchOn => Command::config_set("appendonly", "yes"),
            Deed::SwitchOff => Command::config_set("appendonly", "no"),
            Deed::SavePoints(points) => Command::config_set("save", points),
            Deed::Snapshot => Command::new(["BGSAVE"]),
        }
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Tell Redis this, and note it in [`Told`] if Redis accepts it.
    Tell(Deed),
    /// Look again: a file is being written.
    Look,
    /// A start reads everything.
    Done,
    /// Redis cannot write it, in words.
    Failed(&'static str),
}

/// What this run has told one Redis. Redis itself does not say whose snapshot the last one was.
#[derive(Clone, Debug, Default)]
pub struct Told(Vec<Deed>);

impl Told {
    /// Redis has accepted it.
    pub fn note(&mut self, deed: Deed) {
        self.0.push(deed);
    }

    fn has(&self, deed: &Deed) -> bool {
        self.0.contains(deed)
    }
}

/// `next`: what the next start reads; `None`: a configuration of the user's own, which may read either file. `points`: the
/// save points in force at the beginning.
pub fn act(next: Option<&Disk>, now: &Persistence, points: &str, told: &Told) -> Act {
    let reads_append_only = next.is_none_or(|next| next.append_only);
    let reads_snapshot = next.is_none_or(|next| !next.append_only && next.save.is_some());
    let lacks_append_only = reads_append_only && !now.has_append_only_file();
    if !lacks_append_only && !reads_snapshot {
        return Act::Done;
    }
    // A file that was begun earlier lacks what was written since.
    if now.saving || now.rewriting {
        return Act::Look;
    }
    if lacks_append_only {
        return append_only(now, told);
    }
    if told.has(&Deed::Snapshot) {
        return match now.last_save_succeeded {
            true => Act::Done,
            false => Act::Failed("Redis could not write the snapshot"),
        };
    }
    // What is written between the snapshot and the end of Redis is in the snapshot of that end.
    let wanted = next.and_then(|next| next.save.clone()).unwrap_or_else(|| SOME_POINTS.to_owned());
    let of_the_end = Deed::SavePoints(wanted);
    match points.trim().is_empty() && !told.has(&of_the_end) {
        true => Act::Tell(of_the_end),
        false => Act::Tell(Deed::Snapshot),
    }
}

/// Whoever switched it on before keeps it, also if it cannot be written.
fn append_only(now: &Persistence, told: &Told) -> Act {
    // A rewrite that has failed is scheduled again, for ever.
    let has_failed = (now.rewrite_scheduled && !now.last_rewrite_succeeded) || !now.last_append_succeeded;
    match (now.append_only, told.has(&Deed::SwitchOn)) {
        (false, false) => Act::Tell(Deed::SwitchOn),
        (true, _) if !has_failed => Act::Look,
        (true, true) => Act::Tell(Deed::SwitchOff),
        _ => Act::Failed("Redis could not write the append-only file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: &str = "900 1";

    fn disk(append_only: bool, save: Option<&str>) -> Disk {
        Disk { append_only, save: save.map(str::to_owned) }
    }

    fn well(append_only: bool) -> Persistence {
        let (last_append_succeeded, last_rewrite_succeeded) = (true, true);
        Persistence { append_only, last_append_succeeded, last_rewrite_succeeded, ..Persistence::default() }
    }

    #[test]
    fn a_restart_reads_what_is_on_disk() {
        let points = Deed::SavePoints(POINTS.to_owned());
        for (next, append_only, in_force, expected) in [
            (disk(true, Some(POINTS)), false, POINTS, Act::Tell(Deed::SwitchOn)),
            (disk(true, None), true, "", Act::Done),
            (disk(false, Some(POINTS)), false, POINTS, Act::Tell(Deed::Snapshot)),
            (disk(false, Some(POINTS)), true, POINTS, Act::Tell(Deed::Snapshot)),
            (disk(false, Some(POINTS)), true, "", Act::Tell(points)),
            (disk(false, None), true, POINTS, Act::Done),
        ] {
            assert_eq!(
                act(Some(&next), &well(append_only), in_force, &Told::default()),
                expected,
                "{next:?}"
            );
        }
        assert_eq!(act(None, &well(true), POINTS, &Told::default()), Act::Tell(Deed::Snapshot));
        assert_eq!(act(None, &well(false), POINTS, &Told::default()), Act::Tell(Deed::SwitchOn));
    }

    /// Somebody has switched it on a moment ago, or an apply that was killed did.
    #[test]
    fn an_append_only_file_that_is_not_complete_is_waited_for() {
        let (next, nothing) = (disk(true, None), Told::default());
        for now in [
            Persistence { rewriting: true, ..well(true) },
            Persistence { rewrite_scheduled: true, ..well(true) },
        ] {
            assert_eq!(act(Some(&next), &now, "", &nothing), Act::Look, "{now:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_given_up_and_whoever_began_it_ends_it() {
        let (next, nothing) = (disk(true, None), Told::default());
        let failing = Persistence { rewrite_scheduled: true, last_rewrite_succeeded: false, ..well(true) };
        assert!(matches!(act(Some(&next), &failing, "", &nothing), Act::Failed(_)));
        let ours = Told(vec![Deed::SwitchOn]);
        assert_eq!(act(Some(&next), &failing, "", &ours), Act::Tell(Deed::SwitchOff));
        assert!(matches!(act(Some(&next), &well(false), "", &ours), Act::Failed(_)));
        let begun = Told(vec![Deed::Snapshot]);
        let snapshot = disk(false, Some(POINTS));
        assert!(matches!(act(Some(&snapshot), &well(false), POINTS, &begun), Act::Failed(_)));
    }
}
