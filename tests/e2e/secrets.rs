//! A password is in the Secret and nowhere else: not in state, plan, logs or errors.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::case::Case;
use crate::change::change;
use crate::instance::{ADDRESS, Configuration, SECRETS};
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::redis_client::RedisClient;

/// The password of the write-only argument; letters that nothing else would contain.
const GIVEN: &str = "Given-qZ7mXw4LkV9tNb2R";
const CHANGED: &str = "Changed-Yp3sHd8JfG6uCe1W";

const VARIABLE: &str = "
variable \"password\" {
  type      = string
  ephemeral = true
}
";

/// As a user writes it: the password comes from an ephemeral variable.
fn configuration(version: u32) -> Configuration {
    Configuration::small()
        .and(VARIABLE)
        .with("authentication", &format!("{{ password_wo = var.password, password_wo_version = {version} }}"))
}

/// Looks through all that a run wrote: each file of the case's folder, and all that was printed.
fn assert_nowhere(case: &Case, secret: &SecretString) {
    let secret = secret.expose_secret();
    let spellings = [secret.to_owned(), STANDARD.encode(secret), STANDARD.encode(format!("{secret}\n"))];
    let found = |text: &str| spellings.iter().any(|spelling| text.contains(spelling.trim_end_matches('=')));
    let mut files = Vec::new();
    let mut folders = vec![case.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.iter().any(|file| file.ends_with("terraform.tfstate")), "{files:?}");
    assert!(files.iter().any(|file| file.ends_with("logs/provider.log")), "{files:?}");
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        // Not the text itself: that would print the password.
        assert!(!found(&text), "the password is in {}", file.display());
    }
    for output in case.outputs() {
        assert!(
            !found(&output.stdout) && !found(&output.stderr),
            "the password was printed by {}",
            output.command
        );
    }
    for request in case.proxy.requests() {
        assert!(
            !found(&request.to_string()),
            "the password is in a URL: {} {}",
            request.method,
            request.path
        );
    }
}

fn secret_name(case: &Case) -> String {
    case.resource(ADDRESS)["auth_secret"]["name"].as_str().expect("a Secret").to_owned()
}

fn trace(case: &Case) {
    case.unset("TF_LOG_PROVIDER");
    case.set("TF_LOG", "TRACE");
}

for_each_cli! {
    fn a_generated_password_stays_in_the_secret(cli: Cli) {
        let case = Case::new(cli, "generated");
        trace(&case);
        case.write("main.tf", &Configuration::small().text());
        case.plan();
        case.apply();
        case.plan_is_empty();
        let before = RedisClient::of(&case, ADDRESS);
        assert!(before.ping());
        assert_eq!(before.password().expose_secret().len(), 32);
        before.set("kept", "yes");
        let old = SecretString::from(before.password().expose_secret());
        let secret = secret_name(&case);

        // Rotated: another password in another Secret, and the old one is dead and gone.
        let rotated = Configuration::small().with("authentication", "{ rotate = { month = \"may\" } }");
        change(&case, &rotated, "authentication.rotate.month");
        let after = RedisClient::of(&case, ADDRESS);
        assert_ne!(after.password().expose_secret(), old.expose_secret());
        assert_ne!(secret_name(&case), secret);
        let stale = RedisClient::of(&case, ADDRESS).with_password(old.expose_secret()).try_command(&["PING"]);
        assert!(stale.to_string().contains("WRONGPASS"), "the old password still lets in: {stale}");
        assert!(case.object(&format!("{SECRETS}/{secret}")).is_none(), "the old Secret is still there");
        case.destroy();
        for password in [&old, after.password()] {
            assert_nowhere(&case, password);
        }
        case.assert_nothing_left();
    }

    fn a_write_only_password_stays_in_the_secret(cli: Cli) {
        let case = Case::new(cli, "write-only");
        trace(&case);
        case.set("TF_VAR_password", GIVEN);
        case.write("main.tf", &configuration(1).text());
        case.plan();
        case.apply();
        case.plan_is_empty();
        let redis = RedisClient::of(&case, ADDRESS);
        assert!(redis.ping());
        assert_eq!(redis.password().expose_secret(), GIVEN);
        // Another password without another version is not looked at.
        case.set("TF_VAR_password", CHANGED);
        case.plan_is_empty();
        case.write("main.tf", &configuration(2).text());
        let plan = case.plan();
        assert_eq!(plan.changed_attributes(ADDRESS).configured, ["authentication.password_wo_version"], "{plan}");
        case.apply();
        case.plan_is_empty();
        let redis = RedisClient::of(&case, ADDRESS);
        assert!(redis.ping());
        assert_eq!(redis.password().expose_secret(), CHANGED);
        case.destroy();
        for secret in [GIVEN, CHANGED] {
            assert_nowhere(&case, &SecretString::from(secret));
        }
        case.assert_nothing_left();
    }

    /// The write that carries the password is refused.
    fn an_error_does_not_quote_the_password(cli: Cli) {
        let case = Case::new(cli, "error");
        trace(&case);
        case.set("TF_VAR_password", GIVEN);
        case.write("main.tf", &configuration(1).text());
        let body = status_body(422, "Invalid", "Secret is invalid: data.password is too weak", None);
        for method in ["POST", "PATCH"] {
            for path in ["/api/v1/namespaces/*/secrets", "/api/v1/namespaces/*/secrets/*"] {
                let what = What::Status(422, Some(body.clone()));
                case.proxy.add_fault(Fault { on: Matcher::on(method, path), when: When::Before, what });
            }
        }
        case.apply_fails();
        assert!(!case.proxy.faults_played().is_empty());
        assert_nowhere(&case, &SecretString::from(GIVEN));
        case.proxy.clear_faults();
        case.apply();
        case.destroy();
        case.assert_nothing_left();
    }
}
