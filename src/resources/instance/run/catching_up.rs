//! What the watches show is of different moments: each kind has a stream of its own. The operator writes a StatefulSet
//! first and then its Service, with the hash of the specification that both are made of; but the stream of Services may
//! be ahead. A Service with another hash proves something only about a StatefulSet that is read after the Service.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::{Failure, Run};
use crate::kubernetes::Metadata;
use crate::redis::names::annotation;
use crate::redis::running::Running;
use crate::resources::kinds::STATEFUL_SET;

/// The StatefulSets as they were read last, and the hashes that Services had before.
#[derive(Default)]
pub(super) struct CaughtUp {
    hashes: BTreeMap<String, String>,
    stateful_sets: Vec<Json>,
}

impl CaughtUp {
    /// The StatefulSets of the watch, each replaced if it was read in a newer form.
    pub(super) fn newest(&self, mut running: Running) -> Running {
        for shown in &mut running.stateful_sets {
            let is_newer = |read: &&Json| read.uid() == shown.uid() && read.generation() > shown.generation();
            if let Some(read) = self.stateful_sets.iter().find(is_newer) {
                *shown = read.clone();
            }
        }
        running
    }
}

fn hashes(running: &Running) -> BTreeMap<String, String> {
    let hash = |service: &Json| {
        Some((service.name().to_owned(), service.annotation(annotation::SPEC_HASH)?.to_owned()))
    };
    running.services.iter().filter_map(hash).collect()
}

impl Run<'_> {
    /// Reads the StatefulSets if a Service has another hash.
    pub(super) async fn catch_up(&mut self) -> Result<(), Failure> {
        let Some(running) = &self.picture.running else { return Ok(()) };
        let hashes = hashes(running);
        if hashes == self.caught_up.hashes {
            return Ok(());
        }
        let (namespace, selector) = (self.addresses.namespace.clone(), self.addresses.selector());
        let read = tokio::select! {
            read = self.cluster.list(&STATEFUL_SET, Some(&namespace), Some(&selector), self.deadline) => read,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        match read {
            Ok(stateful_sets) => self.caught_up = CaughtUp { hashes, stateful_sets },
            Err(error) if Instant::now() >= self.deadline => {
                return Err(self.late().unwrap_or(Failure::Refused(error)));
            }
            Err(error) => return Err(error.into()),
        }
        self.picture.running = self.picture.running.take().map(|running| self.caught_up.newest(running));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stateful_set_that_was_read_later_counts_until_the_watch_has_caught_up() {
        let stateful_set =
            |uid: &str, generation: i64| json!({ "metadata": { "uid": uid, "generation": generation } });
        let read = CaughtUp { stateful_sets: vec![stateful_set("a", 3)], ..CaughtUp::default() };
        for (shown, expected) in [
            (stateful_set("a", 2), stateful_set("a", 3)),
            (stateful_set("a", 4), stateful_set("a", 4)),
            (stateful_set("b", 1), stateful_set("b", 1)),
        ] {
            let running = Running { stateful_sets: vec![shown], ..Running::default() };
            assert_eq!(read.newest(running).stateful_sets, [expected]);
        }
    }
}
