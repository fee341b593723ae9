//! What keeps a handover short for clients that write: when it begins, and how clients are led to the new
//! master.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::redis::talk::Command;
use crate::resources::ask::{Session, TalkError};

/// How long a look may take.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause between two looks at something that cannot be watched.
const AGAIN: Duration = Duration::from_millis(20);
/// Replicas report their offset once a second.
const SAYING: Duration = Duration::from_millis(1100);
/// How long after such a report the handover should begin: just before the next report.
const BEFORE_THE_NEXT: Duration = Duration::from_millis(900);
/// kube-proxy follows within a second, or two seconds if a change came right before.
const FOLLOWING: Duration = Duration::from_millis(1500);
/// Pause between two rounds of disconnecting applications.
const CUTTING: Duration = Duration::from_millis(100);

/// Waits until the replica is about to report its offset. During a handover the master holds writes back
/// until the replica has reported that it has everything. A handover that began at any other moment would
/// hold writes back for up to a second.
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

/// Disconnects clients that come back to the old master while the Service still leads there. A client whose
/// writes are refused keeps its connection, and its writes would be refused forever.
pub(super) async fn lead_away(old: &mut Session) -> Result<(), TalkError> {
    let end = Instant::now() + FOLLOWING;
    while Instant::now() < end {
        cut_off_applications(old).await?;
        sleep(CUTTING).await;
    }
    Ok(())
}

/// Sentinels keep their connections; without them they would consider the pod down.
pub(super) async fn cut_off_applications(old: &mut Session) -> Result<(), TalkError> {
    let limit = Instant::now() + ANSWER;
    let commands: Vec<Command> =
        old.applications(limit).await?.iter().map(|id| Command::cut_off_client(id)).collect();
    // The command is refused for a client that has disconnected by itself.
    old.pipeline(&commands, limit).await.map(drop)
}
