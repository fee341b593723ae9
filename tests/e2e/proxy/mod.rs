//! A plain-HTTP proxy in front of the API server, one for each case: it counts what the provider asks, and cuts,
//! refuses or kills at a chosen request, so that "killed on either side of every write" is no matter of luck.
//!
//! `record` is what it remembers, `fault` what it plays, `serve` how a request passes through.
mod fault;
mod record;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use fault::{Fault, Matcher, What, When, status_body};
pub use record::Recorded;
use serve::Shared;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::cluster::{ADMINISTRATOR, NOBODY, RUNTIME};
use crate::process::Group;

pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts on a free port. `group` is whom the kills of faults hit.
    pub fn start(group: Group) -> Proxy {
        let shared = Arc::new(Shared::new(ADMINISTRATOR.clone(), NOBODY.clone(), group));
        let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = RUNTIME.spawn(accept(listener, shared.clone()));
        Proxy { address, shared, accepting }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig that points here. Without a token the proxy acts as the cluster's administrator.
    pub fn kubeconfig(&self, token: Option<&str>) -> String {
        let user = token.map_or("{}".to_owned(), |token| format!("{{token: {token}}}"));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: case\n\
             clusters: [{{name: case, cluster: {{server: 'http://{}'}}}}]\n\
             users: [{{name: case, user: {user}}}]\n\
             contexts: [{{name: case, context: {{cluster: case, user: case}}}}]\n",
            self.address
        )
    }

    /// Every request so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log.all()
    }

    pub fn count(&self, wanted: impl Fn(&Recorded) -> bool) -> usize {
        self.requests().iter().filter(|request| wanted(request)).count()
    }

    pub fn writes(&self) -> Vec<Recorded> {
        self.requests().into_iter().filter(Recorded::is_write).collect()
    }

    /// Forgets what was recorded, so that the next count starts at nought.
    pub fn forget(&self) {
        self.shared.log.clear();
    }

    /// Waits until a request as wanted was recorded; false at the deadline. Looks at each request when it comes,
    /// when its answer begins and when it ends.
    pub fn wait_for(&self, patience: Duration, wanted: impl Fn(&Recorded) -> bool) -> bool {
        self.shared.log.wait_for(patience, |all| all.iter().any(&wanted))
    }

    /// Nothing may be asked that only says which kinds there are: each download costs, and a CRD that comes into
    /// being during the apply would be missed.
    pub fn assert_no_discovery(&self) {
        let discovery: Vec<_> = self.requests().into_iter().filter(Recorded::is_discovery).collect();
        assert!(discovery.is_empty(), "discovery was asked for: {discovery:#?}");
    }

    /// Adds a fault; several are tried in the order in which they were added, and at most one is played for each
    /// request.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// What was played, one line each: a test that meant to disturb must see that it did.
    pub fn faults_played(&self) -> Vec<String> {
        self.shared.faults.played()
    }

    /// All requests, one line each.
    pub fn describe(&self) -> String {
        self.requests().iter().map(|request| format!("{request}\n")).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections belong to the task and end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    connections.spawn(serve::connection(socket, shared.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
