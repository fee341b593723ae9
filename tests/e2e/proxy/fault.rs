//! Which request is disturbed, and how.
use std::sync::Mutex;

use serde_json::{Value, json};

use super::record::Recorded;

/// A disturbance of chosen requests.
#[derive(Clone, Debug)]
pub struct Fault {
    pub on: Matcher,
    pub when: When,
    pub what: What,
}

/// On which side of the API server's act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The API server never sees the request.
    Before,
    /// The API server has acted; its answer never reaches the provider.
    AfterForward,
}

#[derive(Clone, Debug)]
pub enum What {
    /// Answers with this code and body (`status_body`); `None` gives a plain text, as the API server does where
    /// no handler of its own is reached: overload (429), a path that it does not know (404).
    Status(u16, Option<Value>),
    /// Cuts the TCP connection (RST).
    Reset,
    /// Half of the answer's body, then the end; always after the API server has acted.
    HalfBody,
    /// No answer until the client gives up, or the faults are cleared: then the connection is cut.
    Stall,
    /// `kill -9` of the provider.
    KillProvider,
    /// `kill -9` of the CLI.
    KillCli,
}

/// Which requests. `Matcher::write()`, `Matcher::on("PATCH", "/apis/*/*/namespaces/*/redis/*")`, then `.nth(2)`.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// `None`: whatever is a write.
    method: Option<String>,
    path: String,
    watch: Option<bool>,
    which: Which,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Every,
    Nth(usize),
    First(usize),
}

impl Matcher {
    /// A method and a path; in the path `*` stands for one segment and a final `**` for any that follow.
    pub fn on(method: &str, path: &str) -> Matcher {
        Matcher { method: Some(method.to_owned()), path: path.to_owned(), watch: None, which: Which::Every }
    }

    /// Every request that changes something in the cluster.
    pub fn write() -> Matcher {
        Matcher { method: None, path: "/**".to_owned(), watch: None, which: Which::Every }
    }

    /// Only watches, or none of them.
    pub fn watch(mut self, watch: bool) -> Matcher {
        self.watch = Some(watch);
        self
    }

    /// Only the nth match, counted from 1 since the fault was added.
    pub fn nth(mut self, number: usize) -> Matcher {
        self.which = Which::Nth(number);
        self
    }

    /// Only the first matches: what then heals by itself.
    pub fn first(mut self, count: usize) -> Matcher {
        self.which = Which::First(count);
        self
    }

    fn fits(&self, request: &Recorded) -> bool {
        let method = self.method.as_ref().map_or(request.is_write(), |method| method == &request.method);
        method
            && path_fits(&self.path, &request.path)
            && self.watch.is_none_or(|watch| watch == request.is_watch())
    }
}

fn path_fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// A `Status` as the API server writes it; `twins` holds it against real ones. `details` name the object:
/// `{"name": …, "group": …, "kind": <plural>}`.
pub fn status_body(code: u16, reason: &str, message: &str, details: Option<Value>) -> Value {
    let mut body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    });
    if let Some(details) = details {
        body["details"] = details;
    }
    body
}

#[derive(Default)]
pub struct Faults {
    armed: Mutex<Vec<Armed>>,
    played: Mutex<Vec<String>>,
    cleared: tokio::sync::Notify,
}

struct Armed {
    fault: Fault,
    seen: usize,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.armed.lock().unwrap().push(Armed { fault, seen: 0 });
    }

    pub fn clear(&self) {
        self.armed.lock().unwrap().clear();
        self.cleared.notify_waiters();
    }

    /// Waits until the faults are cleared.
    pub async fn cleared(&self) {
        self.cleared.notified().await;
    }

    pub fn played(&self) -> Vec<String> {
        self.played.lock().unwrap().clone()
    }

    pub fn note(&self, fault: &Fault, request: &Recorded) {
        let line = format!("{:?} {:?}: {} {}", fault.when, fault.what, request.method, request.path);
        self.played.lock().unwrap().push(line);
    }

    /// The fault that this request meets, if any. Each armed fault counts its own matches.
    pub fn meets(&self, request: &Recorded) -> Option<Fault> {
        let mut met = None;
        for armed in self.armed.lock().unwrap().iter_mut().filter(|armed| armed.fault.on.fits(request)) {
            armed.seen += 1;
            let due = match armed.fault.on.which {
                Which::Every => true,
                Which::Nth(number) => armed.seen == number,
                Which::First(count) => armed.seen <= count,
            };
            if due && met.is_none() {
                met = Some(armed.fault.clone());
            }
        }
        met
    }
}

/// Tests of the matching itself; they need neither CLI nor cluster.
mod self_test {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_paths() {
        assert!(path_fits("/api/v1/namespaces/*/secrets/*", "/api/v1/namespaces/x/secrets/y"));
        assert!(!path_fits("/api/v1/namespaces/*/secrets", "/api/v1/namespaces/x/secrets/y"));
        assert!(!path_fits("/api/v1/namespaces/*/secrets/*", "/api/v1/namespaces/x/secrets"));
        assert!(path_fits("/apis/**", "/apis/apps/v1/namespaces/x/statefulsets"));
    }

    #[test]
    fn only_the_nth_write_meets_its_fault() {
        let faults = Faults::default();
        faults.add(Fault { on: Matcher::write().nth(2), when: When::Before, what: What::Reset });
        let write = Recorded::new(&hyper::Method::PATCH, &"/api/v1/namespaces/x/secrets/y".parse().unwrap());
        let read = Recorded::new(&hyper::Method::GET, &"/api/v1/namespaces/x/secrets/y".parse().unwrap());
        let met = [&write, &read, &write, &write].map(|request| faults.meets(request).is_some());
        assert_eq!(met, [false, false, true, false]);
    }
}
