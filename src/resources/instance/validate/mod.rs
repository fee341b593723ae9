//! Conflicts between attributes. An unknown value never raises an error: `?` ends the guard.

mod amounts;
mod custom;
mod network;
mod topology;

use super::model::Instance;
use crate::redis::version::known;
use crate::terraform::{Diagnostic, Path, Planned};

type Guard = fn(&Instance<Planned>) -> Option<Diagnostic>;

const GUARDS: [Guard; 7] = [
    version_without_tag,
    two_passwords,
    password_without_use,
    version_without_password,
    root_refused,
    nothing_to_keep,
    one_class_of_clients,
];

/// All conflicts, at once.
pub fn validate(config: &Instance<Planned>) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = GUARDS.iter().filter_map(|guard| guard(config)).collect();
    found.extend(topology::validate(config));
    found.extend(network::validate(config));
    found.extend(amounts::validate(config));
    found.extend(custom::validate(config));
    found
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
            "existing_secret refers to a Secret of your own; password_wo is a password that the provider \
             keeps in its Secret. Set only one of them.",
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
            "password_wo_version tells the provider that password_wo has changed. To rotate a generated \
             password, change authentication.rotate. To rotate a password in existing_secret, refer to \
             another Secret.",
        )
        .at(Path::of("authentication.password_wo_version"))
    })
}

fn root_refused(config: &Instance<Planned>) -> Option<Diagnostic> {
    let context = config.security_context.known()?;
    let (refused, user) = (context.run_as_non_root.known()?, context.run_as_user.known()?);
    (*refused == Some(true) && *user == Some(0)).then(|| {
        Diagnostic::error(
            "The pods must not run as root, but run_as_user is 0",
            "With run_as_non_root = true the node refuses to start a container as user 0. Choose another \
             run_as_user; the operator's images use 1000.",
        )
        .at(Path::of("security_context.run_as_user"))
    })
}

/// Redis 7.0 takes the limits of several classes of clients in one line. Older versions end with an error at start.
fn one_class_of_clients(config: &Instance<Planned>) -> Option<Diagnostic> {
    const LIMITS: &str = "client-output-buffer-limit";
    let version = config.version.known()?.0;
    let directives = config.additional_config.known()?;
    let limits = directives.get(LIMITS)?.known()?;
    let too_long = limits.lines().any(|line| line.split_whitespace().count() > 4);
    (too_long && version.major < 7).then(|| {
        Diagnostic::error(
            format!("Redis {version} takes one class of clients for each {LIMITS}"),
            "The value has several classes in one line, and Redis would not start. Write each class into a line of its \
             own; the lines of a value repeat the directive.",
        )
        .at(Path::of("additional_config"))
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
            "With persistence.enabled = false there is no volume, and the pod starts empty after every \
             restart.",
        )
        .at(Path::of(&format!("persistence.{useless}")))
    })
}
