//! What the proxy remembers of each request: never a body, since bodies hold secrets.
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use hyper::{Method, Uri};

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    pub query: String,
    /// `None`: no answer was given (yet).
    pub status: Option<u16>,
    /// Of the answer's body, as they went over the wire.
    pub bytes: u64,
    pub started: Instant,
    /// Until the last byte of the answer, or until one side went away; `None` while it is under way.
    pub took: Option<Duration>,
}

impl Recorded {
    pub(super) fn new(method: &Method, uri: &Uri) -> Recorded {
        Recorded {
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            status: None,
            bytes: 0,
            started: Instant::now(),
            took: None,
        }
    }

    /// Changes something in the cluster. A command in a pod, a dry run and the question "may I?" do not.
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
            && !self.path.ends_with("/exec")
            && !self.path.starts_with("/apis/authorization.k8s.io/")
            && !self.query.contains("dryRun=")
    }

    pub fn is_watch(&self) -> bool {
        self.query.split('&').any(|part| matches!(part, "watch=true" | "watch=1" | "watch"))
    }

    pub fn is_read(&self) -> bool {
        self.method == "GET" && !self.path.ends_with("/exec")
    }

    /// `/api`, `/api/v1`, `/apis`, `/apis/<group>`, `/apis/<group>/<version>`, `/openapi/…`.
    pub fn is_discovery(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.first() {
            Some(&"api") => parts.len() <= 2,
            Some(&"apis") => parts.len() <= 3,
            Some(&"openapi") => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for Recorded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Recorded { method, path, query, status, bytes, took, .. } = self;
        let status = status.map_or("-".to_owned(), |status| status.to_string());
        let took = took.map_or("under way".to_owned(), |took| format!("{} ms", took.as_millis()));
        let mark = if query.is_empty() { "" } else { "?" };
        write!(formatter, "{method} {path}{mark}{query} → {status}, {bytes} bytes, {took}")
    }
}

#[derive(Default)]
pub struct Log {
    requests: Mutex<Vec<Recorded>>,
    changed: Condvar,
    /// Numbers below this one were forgotten.
    forgotten: Mutex<usize>,
}

impl Log {
    pub fn begin(&self, request: Recorded) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(request);
        let number = requests.len() - 1 + *self.forgotten.lock().unwrap();
        drop(requests);
        self.changed.notify_all();
        number
    }

    pub fn update(&self, number: usize, change: impl FnOnce(&mut Recorded)) {
        let mut requests = self.requests.lock().unwrap();
        let forgotten = *self.forgotten.lock().unwrap();
        if let Some(request) = number.checked_sub(forgotten).and_then(|index| requests.get_mut(index)) {
            change(request);
        }
        drop(requests);
        self.changed.notify_all();
    }

    pub fn all(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().clone()
    }

    pub fn clear(&self) {
        let mut requests = self.requests.lock().unwrap();
        *self.forgotten.lock().unwrap() += requests.len();
        requests.clear();
    }

    pub fn wait_for(&self, patience: Duration, wanted: impl Fn(&[Recorded]) -> bool) -> bool {
        let requests = self.requests.lock().unwrap();
        let (_requests, outcome) =
            self.changed.wait_timeout_while(requests, patience, |requests| !wanted(requests)).unwrap();
        !outcome.timed_out()
    }
}

/// Tests of the reading itself; they need neither CLI nor cluster.
mod self_test {
    use super::*;

    fn recorded(method: Method, uri: &str) -> Recorded {
        Recorded::new(&method, &uri.parse().unwrap())
    }

    #[test]
    fn discovery_is_told_from_objects() {
        for uri in ["/api", "/api/v1?timeout=32s", "/apis", "/apis/apps/v1", "/openapi/v3", "/openapi/v2"] {
            assert!(recorded(Method::GET, uri).is_discovery(), "{uri}");
        }
        for uri in ["/api/v1/namespaces", "/apis/apps/v1/namespaces/x/statefulsets", "/version"] {
            assert!(!recorded(Method::GET, uri).is_discovery(), "{uri}");
        }
    }

    #[test]
    fn writes_are_told_from_questions() {
        assert!(recorded(Method::PATCH, "/api/v1/namespaces/x/secrets/y?fieldManager=z").is_write());
        assert!(!recorded(Method::PATCH, "/api/v1/namespaces/x/secrets/y?dryRun=All").is_write());
        assert!(!recorded(Method::POST, "/api/v1/namespaces/x/pods/y/exec?command=z").is_write());
        assert!(!recorded(Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").is_write());
    }
}
