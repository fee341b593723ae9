//! Users other than the administrator: a ServiceAccount with exactly the rights that a test gives it.
use std::path::PathBuf;

use hyper::Method;
use serde_json::json;

use crate::case::Case;
use crate::cluster;

/// Somebody with a token.
pub struct User {
    pub token: String,
    /// Points at the case's proxy.
    pub kubeconfig: PathBuf,
}

impl Case {
    /// A ServiceAccount `name` after the given RBAC objects were applied; an empty text gives no right at all.
    pub fn as_user(&self, name: &str, rbac: &str) -> User {
        let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", self.namespace);
        let account = json!({"metadata": {"name": name}});
        let made = cluster::request(Method::POST, &accounts, Some(&account));
        assert_eq!(made.status, 201, "ServiceAccount {name}: {}", made.text);
        if !rbac.is_empty() {
            self.kubectl_apply(rbac);
        }
        let wanted = json!({"spec": {"expirationSeconds": 3600}});
        let answer = cluster::request(Method::POST, &format!("{accounts}/{name}/token"), Some(&wanted));
        let token = answer.json()["status"]["token"].as_str().expect("a token").to_owned();
        let file = format!("kubeconfig-{name}");
        self.write(&file, &self.proxy.kubeconfig(Some(&token)));
        User { token, kubeconfig: self.path(&file) }
    }
}
