//! Cut off at the worst moments: a destroy with half of it gone, a password on its way.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::case::Case;
use crate::ending::{ends_well, leaves_nothing, leaves_nothing_in_time};
use crate::instance::{ADDRESS, Configuration};
use crate::interrupted::{delete_killed, sweep};
use crate::proxy::{Fault, Matcher, What, When, status_body};

for_alternate_clis! {
    fn delete_with_the_cli_killed_before_each_write(cli: Cli) {
        delete_killed(cli, "delete-kcb", What::KillCli, When::Before);
    }

    fn delete_with_the_cli_killed_after_each_write(cli: Cli) {
        delete_killed(cli, "delete-kca", What::KillCli, When::AfterForward);
    }

    /// The refresh finds no custom resource, so the state is dropped, and the second destroy has nothing to do.
    fn destroy_after_a_destroy_that_was_killed(cli: Cli) {
        let case = Case::new(cli, "destroy-twice");
        case.write("main.tf", &Configuration::small().text());
        case.apply();
        let mend = || {
            leaves_nothing_in_time(&case);
            case.apply();
        };
        sweep(&case, &What::KillProvider, When::AfterForward, || case.start_destroy().wait(), mend);
    }

    fn an_error_that_quotes_the_password_is_cut(cli: Cli) {
        const GIVEN: &str = "Given-qZ7mXw4LkV9tNb2R";
        let case = Case::new(cli, "quoted");
        case.set("TF_VAR_password", GIVEN);
        let authentication = "{ password_wo = var.password, password_wo_version = 1 }";
        let variable = "variable \"password\" {\n  type      = string\n  ephemeral = true\n}\n";
        let configuration = Configuration::small().and(variable).with("authentication", authentication);
        case.write("main.tf", &configuration.text());
        // As a validating webhook may.
        let message = format!("Secret is invalid: data.password: {:?} is too weak", STANDARD.encode(GIVEN));
        let what = What::Status(422, Some(status_body(422, "Invalid", &message, None)));
        let on = Matcher::on("POST", "/api/v1/namespaces/*/secrets");
        case.proxy.add_fault(Fault { on, when: When::Before, what });
        let output = case.apply_fails();
        assert!(!output.stdout.contains(STANDARD.encode(GIVEN).trim_end_matches('=')));
        assert!(case.resource(ADDRESS).is_null());
    }

    /// A second try may meet what the first one made.
    fn a_secret_whose_creation_is_cut_is_tried_again(cli: Cli) {
        for (name, when) in [("cut-before", When::Before), ("cut-after", When::AfterForward)] {
            let case = Case::new(cli, name);
            let on = Matcher::on("POST", "/api/v1/namespaces/*/secrets").first(1);
            case.proxy.add_fault(Fault { on, when, what: What::Reset });
            ends_well(&case, &Configuration::small());
            leaves_nothing(&case);
        }
    }
}
