//! The Secret for a password that the provider keeps. The Secret is immutable: its data is written once. Its
//! labels and annotations follow the configuration.

use secrecy::SecretString;
use serde_json::{Value as Json, json};

use super::metadata;
use crate::redis::names::{self, PASSWORD_KEY};
use crate::redis::objects::{Key, Role, Wanted};
use crate::resources::instance::model::{AuthSecret, Instance};
use crate::resources::password;
use crate::terraform::{Diagnostic, Path};

/// The metadata alone: only the one write may know the contents of the Secret.
pub(super) fn build(instance: &Instance) -> Vec<Json> {
    let is_ours = instance.authentication.existing_secret.is_none();
    let secret = instance.auth_secret.as_ref().filter(|_| is_ours);
    let object =
        |secret: &AuthSecret| json!({ "metadata": metadata(instance, Role::Password, &secret.name, &[]) });
    secret.map(object).into_iter().collect()
}

/// The one write of an object whose data is written once.
pub struct Once {
    /// The key of the object.
    pub key: Key,
    /// The whole object.
    pub body: Json,
    /// The text that no message may quote.
    pub secret: SecretString,
}

/// The first write of each object that is written once: the Secret with a password, which is the user's or a
/// random one.
pub fn once(instance: &Instance, wanted: &[Wanted]) -> Vec<Once> {
    let of_role = wanted.iter().filter(|wanted| wanted.key.role == Role::Password);
    of_role
        .map(|wanted| {
            let given = instance.authentication.password_wo.as_ref();
            let password =
                given.map_or_else(|| password::random(32), |password| password.expose().to_owned());
            let mut body = wanted.object.clone();
            body["type"] = json!("Opaque");
            body["immutable"] = json!(true);
            body["stringData"] = json!({ PASSWORD_KEY: password });
            Once { key: wanted.key.clone(), body, secret: SecretString::from(password) }
        })
        .collect()
}

/// The name of the Secret that a configuration asks for: the user's, or one of ours that changes with every
/// rotation. `None` without authentication.
pub fn wanted_secret(instance: &Instance) -> Option<AuthSecret> {
    let authentication = &instance.authentication;
    if !authentication.enabled {
        return None;
    }
    if let Some(existing) = &authentication.existing_secret {
        return Some(AuthSecret { name: existing.name.0.clone(), key: existing.key.clone() });
    }
    let mut rotation: Vec<String> =
        authentication.rotate.iter().map(|(key, value)| format!("{key}={value}")).collect();
    rotation.extend(authentication.password_wo_version.map(|version| version.to_string()));
    Some(AuthSecret {
        name: names::secret(&instance.name.0, &rotation.join("\n")),
        key: PASSWORD_KEY.to_owned(),
    })
}

/// A Secret that is not ours has the name of a Secret that we need.
pub(super) fn taken(secret: &Key) -> Diagnostic {
    Diagnostic::error(
        format!("The Secret {}/{} already exists", secret.namespace, secret.name),
        "The provider keeps the password in a Secret of this name, but did not create the existing Secret. \
         Nothing was changed. To use the existing password, set authentication.existing_secret. Otherwise \
         delete the Secret, or choose another name for the instance.",
    )
    .at(Path::of("authentication"))
}
