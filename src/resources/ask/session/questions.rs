//! The questions of a session: what is asked, and how the answer is read.

use tokio::time::Instant;

use super::super::{Refusal, TalkError};
use super::Session;
use crate::redis::talk::{
    self, Address, Command, Holding, Master, Peer, Persistence, Quorum, Replica, Replication, Reply, Role,
};

impl Session {
    /// `ROLE`.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn role(&mut self, deadline: Instant) -> Result<Role, TalkError> {
        self.query(&["ROLE"], talk::role, deadline).await
    }

    /// `INFO replication`.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn replication(&mut self, deadline: Instant) -> Result<Replication, TalkError> {
        self.query(&["INFO", "replication"], talk::replication, deadline).await
    }

    /// `ACL GETUSER default`: the SHA-256 of each password that is accepted, in hexadecimal.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn accepted_passwords(&mut self, deadline: Instant) -> Result<Vec<String>, TalkError> {
        self.query(&["ACL", "GETUSER", talk::USER], talk::accepted_passwords, deadline).await
    }

    /// `INFO persistence`.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn persistence(&mut self, deadline: Instant) -> Result<Persistence, TalkError> {
        self.query(&["INFO", "persistence"], talk::persistence, deadline).await
    }

    /// `CONFIG GET`: the value of one directive.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn directive(&mut self, name: &str, deadline: Instant) -> Result<String, TalkError> {
        self.query(&["CONFIG", "GET", name], talk::directive, deadline).await
    }

    /// `INFO`: how much the server holds.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn holding(&mut self, deadline: Instant) -> Result<Holding, TalkError> {
        self.query(&["INFO"], talk::holding, deadline).await
    }

    /// `CLIENT LIST`: the ids of all clients but replicas and sentinels.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn applications(&mut self, deadline: Instant) -> Result<Vec<String>, TalkError> {
        self.query(&["CLIENT", "LIST", "TYPE", "normal"], talk::applications, deadline).await
    }

    /// `CLIENT LIST`: whether a sentinel is connected.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn is_watched(&mut self, deadline: Instant) -> Result<bool, TalkError> {
        self.query(&["CLIENT", "LIST"], talk::has_sentinel, deadline).await
    }

    /// `SENTINEL MASTER`.
    ///
    /// # Errors
    /// As [`Session::send`]; `Refused` if it watches no such group.
    pub async fn sentinel_master(&mut self, group: &str, deadline: Instant) -> Result<Master, TalkError> {
        self.query(&["SENTINEL", "MASTER", group], talk::master, deadline).await
    }

    /// `SENTINEL REPLICAS`.
    ///
    /// # Errors
    /// As [`Session::sentinel_master`].
    pub async fn sentinel_replicas(
        &mut self,
        group: &str,
        deadline: Instant,
    ) -> Result<Vec<Replica>, TalkError> {
        self.query(&["SENTINEL", "REPLICAS", group], talk::replicas, deadline).await
    }

    /// `SENTINEL SENTINELS`: the other sentinels.
    ///
    /// # Errors
    /// As [`Session::sentinel_master`].
    pub async fn sentinel_peers(&mut self, group: &str, deadline: Instant) -> Result<Vec<Peer>, TalkError> {
        self.query(&["SENTINEL", "SENTINELS", group], talk::sentinels, deadline).await
    }

    /// `SENTINEL CKQUORUM`.
    ///
    /// # Errors
    /// As [`Session::sentinel_master`]; a missing quorum is an answer.
    pub async fn sentinel_quorum(&mut self, group: &str, deadline: Instant) -> Result<Quorum, TalkError> {
        let command = Command::new(["SENTINEL", "CKQUORUM", group]);
        let reply = self.ask(&command, deadline).await?;
        match (talk::quorum(&reply), reply) {
            (Ok(quorum), _) => Ok(quorum),
            (Err(_), Reply::Error(message)) => Err(self.refused(&command, Refusal::new(&command, &message))),
            (Err(unexpected), _) => Err(TalkError::Unexpected { place: self.place.clone(), unexpected }),
        }
    }

    /// `SENTINEL GET-MASTER-ADDR-BY-NAME`; `None`: it watches no such group.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn sentinel_address(
        &mut self,
        group: &str,
        deadline: Instant,
    ) -> Result<Option<Address>, TalkError> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", group];
        self.query(&words, talk::master_address, deadline).await
    }
}
