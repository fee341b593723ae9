//! The user's own Secret with the password, judged before anything is written.

use tokio::time::Instant;

use super::model::Instance;
use crate::kubernetes::{Cluster, Lookup};
use crate::resources::password;
use crate::terraform::{Diagnostic, Path};

/// Why the password in the Secret cannot be used; `None` if it can, or if it cannot be read or does not exist yet:
/// the run waits for it.
pub async fn unusable(cluster: &Cluster, instance: &Instance, deadline: Instant) -> Option<Diagnostic> {
    let existing = instance.authentication.existing_secret.as_ref()?;
    let address = instance.addresses().secret(&existing.name.0);
    let Ok(Lookup::Found(secret)) = cluster.get(&address, deadline).await else { return None };
    let held = password::held(&secret, &existing.key)?;
    (!password::is_usable(&held)).then(|| {
        let (key, name, namespace) = (&existing.key, &existing.name.0, &instance.namespace.0);
        Diagnostic::error(
            format!("The password in Secret {namespace}/{name} cannot be used"),
            format!(
                "The value of its key {key} is empty, or contains {}. The operator's images write the password into \
                 redis.conf without quotes, and Redis would not start. Nothing was changed. Write another \
                 password into the Secret, or refer to another Secret.",
                password::UNUSABLE
            ),
        )
        .at(Path::of("authentication.existing_secret"))
    })
}
