//! A plan for create needs no cluster: it may come into being in the same apply.
use crate::case::Case;
use crate::instance::{ADDRESS, Configuration};

/// Nothing listens there.
const NOWHERE: &str = "apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: nowhere, user: {}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nowhere}}]
";

for_each_cli! {
    fn no_cluster_is_reachable(cli: Cli) {
        let case = Case::new(cli, "nowhere");
        case.write("nowhere", NOWHERE);
        case.use_kubeconfig(&case.path("nowhere"));
        case.write("main.tf", &Configuration::small().text());
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["create"]);
        // A function of the name alone, so other resources can already be planned with it.
        assert_eq!(plan.after(ADDRESS)["host"], format!("cache.{}.svc.cluster.local", case.namespace));
        assert!(plan.changed_attributes(ADDRESS).unknown.contains(&"id".to_owned()), "{plan}");
    }

    fn no_kubeconfig_exists(cli: Cli) {
        let case = Case::new(cli, "no-file");
        case.use_kubeconfig(&case.path("no-such-file"));
        case.write("main.tf", &Configuration::small().text());
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
    }

    /// Without the CRD, without the operator, without rights: nothing is asked, so nothing can be missing.
    fn no_request_is_made(cli: Cli) {
        let case = Case::new(cli, "no-request");
        case.write("main.tf", &Configuration::small().text());
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
        assert!(case.proxy.requests().is_empty(), "{}", case.proxy.describe());
    }

    /// The same inputs give the same plan: core plans twice and compares.
    fn a_plan_is_pure(cli: Cli) {
        let case = Case::new(cli, "pure");
        case.write("main.tf", &Configuration::small().text());
        let plans = [case.plan(), case.plan()].map(|plan| plan.json["resource_changes"].clone());
        assert_eq!(plans[0], plans[1]);
    }

    /// The cluster's address is known only when another resource has been made: plan must not look elsewhere,
    /// and apply then uses what came out.
    fn the_cluster_is_made_in_the_same_apply(cli: Cli) {
        let case = Case::new(cli, "unknown");
        case.write("nowhere", NOWHERE);
        case.use_kubeconfig(&case.path("nowhere"));
        let address = case.proxy.address();
        let cluster = format!("resource \"terraform_data\" \"cluster\" {{\n  input = \"http://{address}\"\n}}\n");
        let provider = "provider \"redis\" {\n  host = terraform_data.cluster.output\n}";
        case.write("main.tf", &Configuration::small().provider(provider).and(&cluster).text());
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
        assert!(case.proxy.requests().is_empty(), "{}", case.proxy.describe());
        case.apply();
        assert_eq!(case.resource(ADDRESS)["status"]["ready"], true);
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }
}
