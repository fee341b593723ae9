//! What keeps a handover short for those who write: when it begins, and how they are led to the new master.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::redis::talk::Command;
use crate::resources::ask::{Session, TalkError};

/// How long a look may take.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause between two looks at what cannot be watched.
const AGAIN: Duration = Duration::from_millis(20);
/// Replicas say once a second how far they are.
const SAYING: Duration = Duration::from_millis(1100);
/// How long after that it is right before the next time.
const BEFORE_THE_NEXT: Duration = Duration::from_millis(900);
/// kube-proxy follows within a second, or two when a change came right before.
const FOLLOWING: Duration = Duration::from_millis(1500);
/// Pause between two times that applications are cut off.
const CUTTING: Duration = Duration::from_millis(100);

/// Waits until the replica is about to say how far it is. While the master hands over, it holds writes back until the
/// replica says that it has everything; begun at any other moment, that is up to a second.
pub(super) async fn until_about_to_be_heard(old: &mut Session, replica: &str) -> Result<(), TalkError> {
    let began = Instant::now();
    let mut first = None;
    while began.elapsed() < SAYING {
        let looked = Instant::now();
        let attached = old.replication(looked + ANSWER).await?.replicas;
        let said = attached.iter().find(|one| one.address.host == replica).map(|one| one.offset);
        if *first.get_or_insert(said) != said {
            sleep_until(looked + BEFORE_THE_NEXT).await;
            return Ok(());
        }
        sleep(AGAIN).await;
    }
    // Nobody writes, so there is nothing to wait for.
    Ok(())
}

/// Cuts off whoever comes back to the old master because the Service still leads there: a client that is refused a write
/// keeps its connection, and would be refused for ever.
pub(super) async fn lead_away(old: &mut Session) -> Result<(), TalkError> {
    let end = Instant::now() + FOLLOWING;
    while Instant::now() < end {
        cut_off_applications(old).await?;
        sleep(CUTTING).await;
    }
    Ok(())
}

/// Sentinels keep their connections: without, they would take the pod for down.
pub(super) async fn cut_off_applications(old: &mut Session) -> Result<(), TalkError> {
    let limit = Instant::now() + ANSWER;
    let commands: Vec<Command> =
        old.applications(limit).await?.iter().map(|id| Command::cut_off_client(id)).collect();
    // One that has gone by itself is refused.
    old.pipeline(&commands, limit).await.map(drop)
}
