//! An attempt on the cluster: a verb and what it is about. Every error names one, and the verb knows its right.

use std::fmt;

use crate::kubernetes::object::{ObjectRef, Resource};

/// What was attempted. [`Verb::rbac`] is the right it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GET of one object.
    Get,
    /// GET of a collection.
    List,
    /// GET of a collection, then its changes.
    Watch,
    /// POST.
    Create,
    /// Server-side apply.
    Apply,
    /// Merge patch.
    Patch,
    /// DELETE.
    Delete,
    /// GET of a container's output.
    ReadLog,
    /// A stream to a port of a pod.
    PortForward,
    /// A command in a container.
    Exec,
}

impl Verb {
    /// How RBAC calls the right that this takes.
    pub fn rbac(self) -> &'static str {
        match self {
            // Both begin with a GET; from Kubernetes 1.35 on they also take `create`.
            Verb::Get | Verb::ReadLog | Verb::PortForward | Verb::Exec => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Apply | Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Verb::Get => "read",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Apply => "apply",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::ReadLog => "read the log of",
            Verb::PortForward => "forward a port of",
            Verb::Exec => "run a command in",
        }
    }
}

/// An attempt: a verb and what it is about. Displays as `apply StatefulSet redis/cache`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What was to be done.
    pub verb: Verb,
    /// To what kind.
    pub resource: &'static Resource,
    /// In which namespace.
    pub namespace: Option<String>,
    /// To which object; `None` for a collection.
    pub name: Option<String>,
}

impl Attempt {
    /// An attempt on one object.
    pub fn on(verb: Verb, object: &ObjectRef) -> Attempt {
        let (namespace, name) = (object.namespace.clone(), Some(object.name.clone()));
        Attempt { verb, resource: object.resource, namespace, name }
    }

    /// An attempt on all objects of a kind, in one namespace or (`None`) in all.
    pub fn on_all(verb: Verb, resource: &'static Resource, namespace: Option<&str>) -> Attempt {
        Attempt { verb, resource, namespace: namespace.map(str::to_owned), name: None }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.verb.words())?;
        match (&self.name, &self.namespace) {
            (Some(name), Some(namespace)) => write!(formatter, "{} {namespace}/{name}", self.resource.kind),
            (Some(name), None) => write!(formatter, "{} {name}", self.resource.kind),
            (None, Some(namespace)) => write!(formatter, "{} in namespace {namespace}", self.resource.plural),
            (None, None) => write!(formatter, "{}", self.resource.plural),
        }
    }
}
