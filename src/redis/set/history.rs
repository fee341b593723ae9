//! Which of two servers has everything that the other has, by the histories and offsets that Redis reports.
//!
//! A server that is promoted begins a new history, and remembers the former one and the offset at which it parted
//! from it. A server that loads a snapshot does the same: it parts from the history of the snapshot. Offsets
//! compare within one history only. A server that loads an append-only file remembers no history.

use crate::redis::talk::Replication;

/// Whether `one` certainly has everything that `other` has.
pub(super) fn has_all_of(one: &Replication, other: &Replication) -> bool {
    if one.master.as_ref().is_some_and(|link| link.is_syncing) {
        return false;
    }
    if one.history == other.history {
        return one.offset >= other.offset;
    }
    // `other` goes on with its history, or has added nothing since it parted from its former one.
    has_until(one, &other.history, other.offset + 1)
        || other.former.as_ref().is_some_and(|former| other.offset < former.until)
            && has_all_of_former(one, other)
}

/// Whether `one` certainly has everything that `other` had when it parted from its former history.
pub(super) fn has_all_of_former(one: &Replication, other: &Replication) -> bool {
    other.former.as_ref().is_some_and(|former| has_until(one, &former.history, former.until))
}

/// Whether a server has everything of a history up to an offset.
fn has_until(one: &Replication, history: &str, until: i64) -> bool {
    let goes_on = history == one.history && until <= one.offset + 1;
    let parted_later =
        one.former.as_ref().is_some_and(|former| former.history == history && until <= former.until);
    goes_on || parted_later
}

/// Whether a replica has copied from a master since it started or was one itself.
pub(super) fn was_given(said: &Replication) -> bool {
    said.master.as_ref().is_some_and(|link| link.was_up && !link.is_syncing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::talk::Former;

    fn at(history: &str, offset: i64, former: Option<(&str, i64)>) -> Replication {
        Replication {
            master: None,
            replicas: Vec::new(),
            history: history.to_owned(),
            former: former.map(|(history, until)| Former { history: history.to_owned(), until }),
            offset,
            failover_state: None,
        }
    }

    #[test]
    fn who_has_everything_that_another_has() {
        let a = |offset| at("a", offset, None);
        for (one, other, expected, why) in [
            (a(9), a(9), true, "one history"),
            (a(8), a(9), false, "one is behind"),
            (at("b", 20, Some(("a", 10))), a(9), true, "one was promoted when it had all of the other"),
            (at("b", 20, Some(("a", 10))), a(10), false, "the other went on"),
            (a(20), at("b", 9, Some(("a", 10))), true, "the other came back with less"),
            (a(8), at("b", 9, Some(("a", 10))), false, "the other came back with more"),
            (a(20), at("b", 11, Some(("a", 10))), false, "the other was written to since"),
            (at("c", 30, Some(("a", 12))), at("b", 9, Some(("a", 10))), true, "both came back"),
            (
                at("c", 30, Some(("a", 9))),
                at("b", 9, Some(("a", 10))),
                false,
                "the other came back with more",
            ),
            (a(99), at("b", 0, None), false, "nothing is known"),
        ] {
            assert_eq!(has_all_of(&one, &other), expected, "{why}");
        }
    }
}
