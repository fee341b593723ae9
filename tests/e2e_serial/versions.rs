//! The supported operators beside the default one, and the one with its feature gate on: the whole life of an
//! instance on each.
use crate::both::Both;
use crate::case::Case;
use crate::cli::Cli;
use crate::disturbance::Swapped;
use crate::ending::{ends_well, leaves_nothing};
use crate::instance::{ADDRESS, Configuration, POD};
use crate::redis_client::RedisClient;

/// Made, changed in place and taken away again, with what it holds kept in between.
fn whole_life(case: &Case) {
    let configuration = |timeout: u32| {
        Configuration::small()
            .with("labels", "{ team = \"one\" }")
            .with("additional_config", &format!("{{ timeout = \"{timeout}\" }}"))
    };
    ends_well(case, &configuration(100));
    let redis = RedisClient::of(case, ADDRESS);
    assert_eq!(redis.config("timeout"), "100");
    redis.set("kept", "yes");
    let stranger = RedisClient::new(case, POD, None).try_command(&["PING"]);
    assert!(stranger.stdout.contains("NOAUTH"), "nobody may in without the password: {stranger}");

    case.write("main.tf", &configuration(200).text());
    let plan = case.plan();
    assert_eq!(plan.actions(ADDRESS), ["update"], "{plan}");
    assert_eq!(plan.changed_attributes(ADDRESS).configured, ["additional_config.timeout"], "{plan}");
    ends_well(case, &configuration(200));
    let redis = RedisClient::of(case, ADDRESS);
    assert_eq!((redis.config("timeout").as_str(), redis.get("kept").as_str()), ("200", "yes"));
    leaves_nothing(case);
}

fn on(clis: &[Cli], name: &str, arguments: &[&str], tag: &str, gate: bool) {
    let swapped = Swapped::to(arguments);
    let gates = format!("GenerateConfigInInitContainer={gate}");
    assert_eq!(swapped.found(), (tag.to_owned(), gates));
    Both::new(clis, name).each(whole_life);
}

for_both_clis! {
    fn v0_20_2(clis: &[Cli]) {
        on(clis, "v0-20-2", &["--operator", "v0.20.2"], "v0.20.2", false);
    }

    fn v0_23_0(clis: &[Cli]) {
        on(clis, "v0-23-0", &["--operator", "v0.23.0"], "v0.23.0", false);
    }

    fn the_gate_is_on(clis: &[Cli]) {
        on(clis, "gate-on", &["--gate", "on"], "v0.26.0", true);
    }
}
