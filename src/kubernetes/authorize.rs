//! The `Authorization` header: minted when first needed, by one caller for all, renewed before it expires.
//!
//! A request takes a [`Ticket`]; if the server answers 401, [`Authorize::refused`] drops what that ticket was
//! made from and says whether a second try makes sense. kube's own layer never renews on 401, runs the plugin for
//! each request when a token lives under a minute, and prints the plugin's output in its errors.
//!
//! A caller that is cancelled while minting leaves nothing behind: the next in line mints. A failure is told to
//! all who were waiting for it, and then forgotten.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::config::{Credential, Exec, Identity};
use super::exec_plugin::{self, PluginError};

/// How long a token file's content is used before the file is looked at again.
const FILE_LIFE: Duration = Duration::from_secs(60);

/// Longest time before its end that a token is renewed.
const LONGEST_MARGIN: Duration = Duration::from_secs(60);

/// Why no credential could be had. Holds no secret and nothing a plugin printed on its standard output.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The token file cannot be read.
    #[error("could not read the token file {}: {source}", path.display())]
    ReadFile {
        /// Where it is.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The token file is empty.
    #[error("the token file {} is empty", path.display())]
    EmptyFile {
        /// Where it is.
        path: PathBuf,
    },
    /// The credential cannot stand in a header: it holds a line break or another control character.
    #[error("the credential ({origin}) holds a line break or another character that no header can carry")]
    NotAHeader {
        /// Where it comes from.
        origin: String,
    },
    /// The plugin gave none.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// A credential ready for use.
pub(super) struct Minted {
    /// Value of the header; `None` where a plugin gave only a certificate.
    header: Option<HeaderValue>,
    /// Client certificate, where a plugin gave one.
    pub(super) identity: Option<Identity>,
    /// When to make a new one.
    renew: Option<Timestamp>,
}

/// What one request is sent with.
pub(super) struct Ticket {
    /// The header, marked sensitive so that nothing prints it.
    pub(super) header: Option<HeaderValue>,
    serial: u64,
}

/// Makes `Authorization` headers.
pub(super) struct Authorize {
    credential: Credential,
    /// Where the credential comes from, for messages.
    pub(super) origin: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    minted: Option<Minted>,
    /// Counts mintings, so that a late 401 does not drop a newer token.
    serial: u64,
    /// The last failure and when it came: whoever was waiting by then shares it.
    failure: Option<(Instant, Arc<CredentialError>)>,
}

impl Authorize {
    pub(super) fn new(credential: Credential, origin: String) -> Authorize {
        Authorize { credential, origin, state: Mutex::default() }
    }

    /// The header for one request.
    pub(super) async fn ticket(&self) -> Result<Ticket, Arc<CredentialError>> {
        let state = self.fresh().await?;
        let header = state.minted.as_ref().and_then(|minted| minted.header.clone());
        Ok(Ticket { header, serial: state.serial })
    }

    /// The client certificate that a plugin gives, and when to renew it. `None` without running anything unless the
    /// credential is a plugin's.
    pub(super) async fn identity(
        &self,
    ) -> Result<Option<(Identity, Option<Timestamp>)>, Arc<CredentialError>> {
        if !matches!(self.credential, Credential::Exec(_)) {
            return Ok(None);
        }
        let state = self.fresh().await?;
        Ok(state.minted.as_ref().and_then(|minted| Some((minted.identity.clone()?, minted.renew))))
    }

    /// Told that the server answered 401 to `ticket`: whether a fresh one may do better.
    pub(super) async fn refused(&self, ticket: &Ticket) -> bool {
        match self.credential {
            Credential::TokenFile(_) | Credential::Exec(_) => {}
            Credential::None | Credential::Token(_) | Credential::Basic { .. } => return false,
        }
        let mut state = self.state.lock().await;
        if state.serial == ticket.serial {
            state.minted = None;
        }
        true
    }

    async fn fresh(&self) -> Result<tokio::sync::MutexGuard<'_, State>, Arc<CredentialError>> {
        let came = Instant::now();
        let mut state = self.state.lock().await;
        let usable = |minted: &Minted| minted.renew.is_none_or(|renew| Timestamp::now() < renew);
        if state.minted.as_ref().is_some_and(usable) {
            return Ok(state);
        }
        if let Some((failed, error)) = &state.failure
            && came <= *failed
        {
            return Err(Arc::clone(error));
        }
        match self.mint().await {
            Ok(minted) => {
                state.minted = Some(minted);
                state.serial += 1;
                state.failure = None;
                Ok(state)
            }
            Err(error) => {
                let error = Arc::new(error);
                state.failure = Some((Instant::now(), Arc::clone(&error)));
                Err(error)
            }
        }
    }

    async fn mint(&self) -> Result<Minted, CredentialError> {
        let always = |header| Minted { header, identity: None, renew: None };
        match &self.credential {
            Credential::None => Ok(always(None)),
            Credential::Token(token) => Ok(always(Some(self.bearer(token)?))),
            Credential::Basic { username, password } => {
                let pair = BASE64.encode(format!("{username}:{}", password.expose_secret()));
                Ok(always(Some(self.header(&format!("Basic {pair}"))?)))
            }
            Credential::TokenFile(path) => {
                let text = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|source| CredentialError::ReadFile { path: path.clone(), source })?;
                if text.trim().is_empty() {
                    return Err(CredentialError::EmptyFile { path: path.clone() });
                }
                let header = self.bearer(&SecretString::from(text.trim()))?;
                Ok(Minted { renew: Some(Timestamp::now() + FILE_LIFE), ..always(Some(header)) })
            }
            Credential::Exec(exec) => self.run(exec).await,
        }
    }

    async fn run(&self, exec: &Exec) -> Result<Minted, CredentialError> {
        let given = exec_plugin::run(exec).await?;
        let header = given.token.as_ref().map(|token| self.bearer(token)).transpose()?;
        let renew = given.expires.and_then(|expires| renew_at(Timestamp::now(), expires));
        Ok(Minted { header, identity: given.identity, renew })
    }

    fn bearer(&self, token: &SecretString) -> Result<HeaderValue, CredentialError> {
        self.header(&format!("Bearer {}", token.expose_secret()))
    }

    fn header(&self, text: &str) -> Result<HeaderValue, CredentialError> {
        let mut header = HeaderValue::from_str(text)
            .map_err(|_| CredentialError::NotAHeader { origin: self.origin.clone() })?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// When to renew what was made at `made` and ends at `expires`: before the smaller of a minute and a fifth of its
/// life. `None` if it seems to have ended already: then our clock is wrong, and only a 401 tells.
fn renew_at(made: Timestamp, expires: Timestamp) -> Option<Timestamp> {
    let life = Duration::try_from(expires.duration_since(made)).ok().filter(|life| !life.is_zero())?;
    Some(expires - LONGEST_MARGIN.min(life / 5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::test_server::{POD, Reply, TestServer, patience};
    use crate::kubernetes::{Cause, Cluster, Lookup, ObjectRef, Settings};
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn renewed_before_the_smaller_of_a_minute_and_a_fifth() {
        for (made, expires, renew) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", Some("2026-01-01T00:59:00Z")),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z", Some("2026-01-01T00:00:04Z")),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", Some("2026-01-01T00:04:00Z")),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", None),
            ("2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z", None),
        ] {
            assert_eq!(renew_at(at(made), at(expires)), renew.map(at), "{expires}");
        }
    }

    #[tokio::test]
    async fn headers() {
        let header = async |credential| {
            let ticket = Authorize::new(credential, "here".to_owned()).ticket().await?;
            Ok::<_, Arc<CredentialError>>(ticket.header.map(|header| header.to_str().unwrap().to_owned()))
        };
        assert_eq!(header(Credential::None).await.unwrap(), None);
        assert_eq!(header(Credential::Token("abc".into())).await.unwrap().unwrap(), "Bearer abc");
        let basic = Credential::Basic { username: "a".to_owned(), password: "b:c".into() };
        assert_eq!(header(basic).await.unwrap().unwrap(), "Basic YTpiOmM=");
        let error = header(Credential::Token("secret\n".into())).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
        assert!(header(Credential::TokenFile("/no/such/file".into())).await.is_err());
    }

    /// A plugin that counts its runs in a file and prints `t<count>`.
    fn plugin(folder: &Path, script: &str) -> Exec {
        let file = folder.join("plugin");
        let text = format!(
            "#!/bin/sh\nn=$(cat {0}/n 2>/dev/null || echo 0); n=$((n+1)); echo $n >{0}/n\n{script}\n",
            folder.display()
        );
        std::fs::write(&file, text).unwrap();
        Exec {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "sh".to_owned(),
            args: vec![file.display().to_string()],
            env: BTreeMap::new(),
            ..Exec::default()
        }
    }

    fn runs(folder: &Path) -> String {
        std::fs::read_to_string(folder.join("n")).unwrap().trim().to_owned()
    }

    const PRINT: &str = r#"echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t$n\"}}""#;

    /// Answers 401 unless the token is `accepted`.
    async fn server(accepted: &'static str) -> TestServer {
        TestServer::start(move |request| async move {
            match request.header("authorization") {
                Some(header) if header == format!("Bearer {accepted}") => {
                    Reply::json(200, &json!({"metadata": {"name": "a"}}))
                }
                _ => Reply::status(401, "Unauthorized", "Unauthorized", &json!({})),
            }
        })
        .await
    }

    async fn get(cluster: &Cluster) -> Result<Lookup, crate::kubernetes::Error> {
        cluster
            .get(&ObjectRef::namespaced(&POD, "redis", "a"), Instant::now() + Duration::from_secs(30))
            .await
    }

    #[tokio::test]
    async fn a_plugin_runs_once_for_all_and_again_on_401() {
        let folder = tempfile::tempdir().unwrap();
        let server = server("t2").await;
        let exec = plugin(folder.path(), PRINT);
        let cluster = Cluster::with_patience(Settings { exec: Some(exec), ..server.settings() }, patience());
        let all = futures::future::join_all((0..20).map(|_| get(&cluster))).await;
        assert!(all.iter().all(|one| matches!(one, Ok(Lookup::Found(_)))), "{all:?}");
        assert_eq!(runs(folder.path()), "2");
        let refused =
            server.seen().iter().filter(|seen| seen.header("authorization") == Some("Bearer t1")).count();
        assert!((1..=20).contains(&refused));
    }

    #[tokio::test]
    async fn a_second_401_is_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let server = server("never").await;
        let exec = plugin(folder.path(), PRINT);
        let cluster = Cluster::with_patience(Settings { exec: Some(exec), ..server.settings() }, patience());
        let error = get(&cluster).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unauthorized { .. }), "{error}");
        assert_eq!((server.seen().len(), runs(folder.path()).as_str()), (2, "2"));
        let fixed =
            Cluster::with_patience(Settings { token: Some("t".into()), ..server.settings() }, patience());
        assert!(matches!(get(&fixed).await.unwrap_err().cause, Cause::Unauthorized { .. }));
        assert_eq!(server.seen().len(), 3, "a token that is always the same is not tried twice");
    }

    #[tokio::test]
    async fn a_token_file_is_read_again_on_401() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "old\n").unwrap();
        let kubeconfig = folder.path().join("config");
        let server = server("new").await;
        let text = format!(
            "{{current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}], clusters: [{{name: a, cluster: {{server: '{}'}}}}], users: [{{name: a, user: {{tokenFile: token}}}}]}}",
            server.url
        );
        std::fs::write(&kubeconfig, text).unwrap();
        let settings =
            Settings { config_path: Some(kubeconfig.display().to_string()), ..Settings::default() };
        let cluster = Cluster::with_patience(settings, patience());
        assert!(matches!(get(&cluster).await.unwrap_err().cause, Cause::Unauthorized { .. }));
        std::fs::write(&file, "new\n").unwrap();
        assert!(matches!(get(&cluster).await, Ok(Lookup::Found(_))));
    }

    #[tokio::test]
    async fn a_failure_is_shared_by_those_who_waited_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "sleep 0.3; if [ $n = 1 ]; then echo stolen-token; echo 'log in first' >&2; exit 3; fi; {PRINT}"
        );
        let server = server("t2").await;
        let exec = plugin(folder.path(), &script);
        let authorize = Authorize::new(Credential::Exec(exec), "here".to_owned());
        let all = futures::future::join_all((0..5).map(|_| authorize.ticket())).await;
        for error in all.into_iter().map(|one| one.map(|_| ()).unwrap_err()) {
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("log in first") && !shown.contains("stolen-token"), "{shown}");
        }
        assert_eq!(runs(folder.path()), "1");
        let ticket = authorize.ticket().await.map_err(|error| error.to_string());
        assert_eq!(ticket.unwrap().header.unwrap(), "Bearer t2");
        drop(server);
    }

    #[tokio::test]
    async fn a_cancelled_caller_leaves_the_work_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let exec = plugin(folder.path(), &format!("if [ $n = 1 ]; then sleep 60; fi; {PRINT}"));
        let authorize = Authorize::new(Credential::Exec(exec), "here".to_owned());
        let started = async {
            while std::fs::read_to_string(folder.path().join("n")).unwrap_or_default() != "1\n" {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = authorize.ticket() => panic!("the first run sleeps"),
            () = started => {}
        }
        assert_eq!(
            authorize.ticket().await.unwrap_or_else(|error| panic!("{error}")).header.unwrap(),
            "Bearer t2"
        );
    }
}
