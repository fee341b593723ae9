//! How scenarios end: what a failure said, that the next apply mends it, and that a destroy leaves nothing.
use crate::case::Case;
use crate::instance::{ADDRESS, Configuration};
use crate::process::Output;
use crate::redis_client::RedisClient;
use crate::resting::errors;

/// There is one error, and it says all of these words.
pub fn says(case: &Case, output: &Output, words: &[&str]) {
    let errors = errors(case, output);
    assert_eq!(errors.len(), 1, "{output}");
    let text = format!("{}\n{}", errors[0].summary, errors[0].detail);
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

/// The next apply ends well, whatever happened before.
pub fn ends_well(case: &Case, configuration: &Configuration) {
    case.write("main.tf", &configuration.text());
    case.apply();
    serves(case);
}

/// What was applied serves, and there is nothing left to do.
pub fn serves(case: &Case) {
    case.plan_is_empty();
    let values = case.resource(ADDRESS);
    assert_eq!(values["status"]["ready"], true, "{values:#}");
    assert_eq!(values["repairs"], serde_json::json!({}));
    assert!(RedisClient::of(case, ADDRESS).ping());
}

pub fn leaves_nothing(case: &Case) {
    case.destroy();
    case.assert_nothing_left();
}

/// The destroy after one that was cut off: it goes on waiting, or finds the custom resource gone already.
pub fn leaves_nothing_in_time(case: &Case) {
    case.destroy();
    case.assert_all_collected();
}
