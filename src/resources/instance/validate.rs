//! What is wrong across attributes. An unknown never raises an error: `?` ends the guard.

use super::model::Instance;
use crate::redis::quantity::Quantity;
use crate::redis::version::known;
use crate::terraform::{Diagnostic, Maybe, Path, Planned};

type Guard = fn(&Instance<Planned>) -> Option<Diagnostic>;

const GUARDS: [Guard; 8] = [
    version_without_tag,
    two_passwords,
    password_without_use,
    version_without_password,
    cpu_above_limit,
    memory_above_limit,
    root_refused,
    nothing_to_keep,
];

/// Everything that is wrong, at once.
pub fn validate(config: &Instance<Planned>) -> Vec<Diagnostic> {
    GUARDS.iter().filter_map(|guard| guard(config)).collect()
}

fn version_without_tag(config: &Instance<Planned>) -> Option<Diagnostic> {
    let version = config.version.known()?.0;
    let tag = config.image.known()?.tag.known()?;
    tag.is_empty().then(|| {
        Diagnostic::error(
            format!("No image tag is known for Redis {version}"),
            format!("This provider knows tags for {}. Set image.tag to the tag you want.", known()),
        )
        .at(Path::of("version"))
    })
}

fn two_passwords(config: &Instance<Planned>) -> Option<Diagnostic> {
    let authentication = config.authentication.known()?;
    let existing = authentication.existing_secret.known()?.is_some();
    let given = authentication.password_wo.known()?.is_some();
    (existing && given).then(|| {
        Diagnostic::error(
            "Two passwords are given",
            "existing_secret refers to a password that you keep, password_wo is one that the provider is to \
             keep. Set only one of them.",
        )
        .at(Path::of("authentication.password_wo"))
    })
}

fn password_without_use(config: &Instance<Planned>) -> Option<Diagnostic> {
    let authentication = config.authentication.known()?;
    let enabled = *authentication.enabled.known()?;
    let existing = authentication.existing_secret.known()?.is_some();
    let given = authentication.password_wo.known()?.is_some();
    (!enabled && (existing || given)).then(|| {
        Diagnostic::error(
            "A password is given, but authentication is off",
            "Remove the password, or set authentication.enabled = true.",
        )
        .at(Path::of("authentication.enabled"))
    })
}

fn version_without_password(config: &Instance<Planned>) -> Option<Diagnostic> {
    let authentication = config.authentication.known()?;
    let version = authentication.password_wo_version.known()?.is_some();
    let given = authentication.password_wo.known()?.is_some();
    (version && !given).then(|| {
        Diagnostic::error(
            "password_wo_version has no password_wo",
            "The version tells the provider when password_wo has changed. To rotate a generated password, change \
             authentication.rotate; a password in existing_secret is yours to rotate: refer to another Secret.",
        )
        .at(Path::of("authentication.password_wo_version"))
    })
}

fn cpu_above_limit(config: &Instance<Planned>) -> Option<Diagnostic> {
    let resources = config.master.known()?.resources.known()?;
    above("cpu", &resources.requests.known()?.cpu, &resources.limits.known()?.cpu)
}

fn memory_above_limit(config: &Instance<Planned>) -> Option<Diagnostic> {
    let resources = config.master.known()?.resources.known()?;
    above("memory", &resources.requests.known()?.memory, &resources.limits.known()?.memory)
}

fn above(part: &str, request: &Maybe<Quantity>, limit: &Maybe<Quantity>) -> Option<Diagnostic> {
    let (request, limit) = (request.known()?, limit.known()?);
    (request > limit).then(|| {
        Diagnostic::error(
            format!("More {part} is requested than allowed"),
            format!(
                "The API server refuses a container whose request ({request}) is above its limit ({limit}). Raise \
                 master.resources.limits.{part}, or lower the request."
            ),
        )
        .at(Path::of(&format!("master.resources.requests.{part}")))
    })
}

fn root_refused(config: &Instance<Planned>) -> Option<Diagnostic> {
    let context = config.security_context.known()?;
    let (refused, user) = (context.run_as_non_root.known()?, context.run_as_user.known()?);
    (*refused == Some(true) && *user == Some(0)).then(|| {
        Diagnostic::error(
            "The pods may not run as root, and are to run as root",
            "With run_as_non_root = true the node refuses to start a container as user 0. Choose another \
             run_as_user: the operator's images have 1000.",
        )
        .at(Path::of("security_context.run_as_user"))
    })
}

fn nothing_to_keep(config: &Instance<Planned>) -> Option<Diagnostic> {
    let persistence = config.persistence.known()?;
    let enabled = *persistence.enabled.known()?;
    let retained = *persistence.retain_on_delete.known()?;
    let logged = *persistence.aof.known()?.enabled.known()?;
    let useless = if retained {
        "retain_on_delete"
    } else if logged {
        "aof.enabled"
    } else {
        return None;
    };
    (!enabled).then(|| {
        Diagnostic::warning(
            format!("persistence.{useless} has no effect"),
            "With persistence.enabled = false there is no volume, and every restart of the pod begins empty.",
        )
        .at(Path::of(&format!("persistence.{useless}")))
    })
}
