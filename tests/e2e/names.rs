//! The name of one instance can be the name of another's Service or StatefulSet. The operator would take the object over,
//! and with it the clients, the pods or the claims of the other.
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::ending::says;
use crate::instance::{ADDRESS, Configuration, STATEFUL_SETS};
use crate::resting::{applied, end, resting};
use crate::topology::{at_rest, cluster, replication};

const SERVICES: &str = "/api/v1/namespaces/{namespace}/services";

/// A second instance, as a block to append.
fn second(name: &str, configuration: &Configuration) -> String {
    let text =
        configuration.clone().with("name", &format!("{name:?}")).text().replace("\"this\"", "\"second\"");
    let resource = text.split("resource ").nth(1).expect("a resource").to_owned();
    format!("resource {resource}")
}

fn service(case: &Case, name: &str) -> Value {
    let service = case.object(&format!("{SERVICES}/{name}")).unwrap_or_else(|| panic!("no Service {name}"));
    serde_json::json!([
        service["spec"]["selector"],
        service["metadata"]["ownerReferences"],
        service["spec"]["externalName"]
    ])
}

for_alternate_clis! {
    /// An ExternalName Service that leads to the old Redis is usual while data is moved.
    fn a_service_of_somebody_else_stays_theirs(cli: Cli) {
        let case = Case::new(cli, "their-service");
        case.kubectl(&["create", "service", "externalname", "cache", "--external-name=redis.example.com"]);
        let before = service(&case, "cache");
        case.write("main.tf", &resting().text());
        let output = case.apply_fails();
        says(&case, &output, &["is in use by another Service", "the operator did not make it", "Choose another name"]);
        assert_eq!(service(&case, "cache"), before);
        assert!(case.resource(ADDRESS).is_null());
        assert!(case.objects(STATEFUL_SETS).is_empty());
        case.kubectl(&["delete", "service", "cache"]);
        // What the operator makes only because the configuration asks for it.
        case.kubectl(&["create", "service", "externalname", "cache-metrics", "--external-name=redis.example.com"]);
        let exporter = "{ redis = jsonencode({ redisExporter = { enabled = true, image = \"none\" } }) }";
        case.write("main.tf", &resting().with("custom_spec", exporter).text());
        says(&case, &case.apply_fails(), &["is in use by another Service", "cache-metrics", "the operator did not make it"]);
        case.write("main.tf", &resting().text());
        case.apply();
        case.write("main.tf", &resting().with("custom_spec", exporter).text());
        says(&case, &case.apply_fails(), &["is in use by another Service", "cache-metrics", "Undo the change"]);
        case.kubectl(&["delete", "service", "cache-metrics"]);
        case.destroy();
        case.assert_nothing_left();
    }

    /// A second instance "for the replica site", or beside the master.
    fn a_service_of_another_instance_stays_its_own(cli: Cli) {
        let case = Case::new(cli, "their-instance");
        case.write("main.tf", &at_rest(replication()).text());
        case.apply();
        for name in ["cache-replica", "cache-master"] {
            let made = format!("the operator has made {name}");
            case.wait_for_object(&made, SERVICES, Duration::from_secs(60), |one| one["metadata"]["name"] == name);
            let before = service(&case, name);
            case.write("second.tf", &second(name, &resting()));
            let output = case.apply_fails();
            says(&case, &output, &["is in use by another Service", "it belongs to RedisReplication cache"]);
            assert_eq!(service(&case, name), before);
        }
        case.write("second.tf", "");
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }

    /// In one apply nothing exists yet that could be found.
    fn two_of_one_apply_are_told_apart(cli: Cli) {
        let case = Case::new(cli, "one-apply");
        // The Services of the second have the names of one that the operator makes, and of one that the provider makes.
        let from_outside = resting().with("service", "{ type = \"NodePort\" }");
        for (first, name) in [(at_rest(cluster()), "db-leader"), (from_outside, "db-external")] {
            case.write("main.tf", &first.with("name", "\"db\"").text());
            case.write("second.tf", &second(name, &resting()));
            let output = case.apply_fails();
            says(&case, &output, &["another instance of this configuration", "Choose another name"]);
            let made = [ADDRESS, "redis_k8s_instance.second"].map(|address| !case.resource(address).is_null());
            assert!(made[0] != made[1], "one of them is made: {made:?}");
            case.destroy();
            case.assert_nothing_left();
        }
    }

    /// The DNS domain of a cluster is a matter of its installation, and no host name is made of another one.
    fn host_names_are_of_the_domain_of_the_cluster(cli: Cli) {
        let of_domain = |domain: &str| {
            resting().provider(&format!("provider \"redis\" {{\n  cluster_domain = {domain:?}\n}}"))
        };
        let case = applied(cli, "domain", &of_domain("k8s.example.com"));
        let host = |case: &Case| case.resource(ADDRESS)["host"].as_str().unwrap_or_default().to_owned();
        assert!(host(&case).ends_with(".svc.k8s.example.com"), "{}", host(&case));
        case.plan_is_empty();
        case.run(&["state", "rm", ADDRESS]);
        case.import(ADDRESS, &format!("{}/cache", case.namespace));
        assert!(host(&case).ends_with(".svc.k8s.example.com"), "{}", host(&case));
        case.write("main.tf", &resting().text());
        case.proxy.forget();
        case.apply();
        assert_eq!(case.proxy.writes().len(), 0, "{}", case.proxy.describe());
        assert!(host(&case).ends_with(".svc.cluster.local"), "{}", host(&case));
        case.plan_is_empty();
        end(&case);
    }
}
