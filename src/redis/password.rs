//! Where passwords are kept, and which pods have which password. A password itself never gets here.

use std::fmt;

use serde_json::Value as Json;

use super::object::{at, list, text};

/// The key of a Secret that holds a password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PasswordAt {
    /// Name of the Secret.
    pub secret: String,
    /// Key in it.
    pub key: String,
}

impl PasswordAt {
    /// The password that the custom resource gives its pods.
    pub fn of_custom_resource(custom_resource: &Json) -> Option<PasswordAt> {
        PasswordAt::in_reference(at(custom_resource, &["spec", "kubernetesConfig", "redisSecret"]))
    }

    /// The password that the server in a pod was started with.
    pub fn of_pod(pod: &Json) -> Option<PasswordAt> {
        PasswordAt::in_variable(pod, "REDIS_PASSWORD")
    }

    /// The password by which a sentinel was started to log in to Redis.
    pub fn of_master(pod: &Json) -> Option<PasswordAt> {
        PasswordAt::in_variable(pod, "MASTER_PASSWORD")
    }

    fn in_variable(pod: &Json, variable: &str) -> Option<PasswordAt> {
        let variables = list(pod, &["spec", "containers"]).iter().flat_map(|one| list(one, &["env"]));
        let mut of_that_name = variables.filter(|one| text(one, &["name"]) == Some(variable));
        PasswordAt::in_reference(at(of_that_name.next()?, &["valueFrom", "secretKeyRef"]))
    }

    fn in_reference(reference: &Json) -> Option<PasswordAt> {
        let part = |field| text(reference, &[field]).map(str::to_owned);
        Some(PasswordAt { secret: part("name")?, key: part("key")? })
    }
}

impl fmt::Display for PasswordAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "key {} of Secret {}", self.key, self.secret)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_says_where_its_password_is() {
        let reference = json!({ "secretKeyRef": { "name": "a", "key": "password" } });
        let variables =
            json!([{ "name": "PORT", "value": "1" }, { "name": "REDIS_PASSWORD", "valueFrom": reference }]);
        let pod = json!({ "spec": { "containers": [{ "name": "redis", "env": variables }] } });
        let held = PasswordAt::of_pod(&pod).unwrap();
        assert_eq!((held.secret.as_str(), held.key.as_str()), ("a", "password"));
        assert_eq!(PasswordAt::of_master(&pod), None);
        let custom_resource =
            json!({ "spec": { "kubernetesConfig": { "redisSecret": { "name": "a", "key": "password" } } } });
        assert_eq!(PasswordAt::of_custom_resource(&custom_resource), Some(held));
    }
}
