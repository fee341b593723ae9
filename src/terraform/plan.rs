//! Planning, in numbered steps. Each is a plain function of configuration and prior state, so the same
//! inputs give the same plan, byte for byte.
//!
//! 1. [`complete`]: a missing value in the configuration takes its default; a value that only the provider
//!    sets keeps its prior value, or is unknown.
//! 2. [`derive`]: values that follow from the rest of the configuration are computed.
//! 3. [`respell`]: a value with the same meaning as before keeps its prior spelling.
//! 4. [`changes`]: the differences and their effects; a replacement follows from them.
//! 5. [`unsettle`]: if something will be written, volatile attributes become unknown.

use std::collections::BTreeMap;

use super::attribute::{Attribute, Change, Derivation, Kind, Nesting, Presence};
use super::path::Path;
use super::value::Value;

/// The result of planning.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The planned resource, write-only values still in it: see [`strip_write_only`].
    pub planned: Value,
    /// The optional attributes whose value was derived, with that value; kept in private state for the next
    /// plan.
    pub derived: Derived,
    /// The differences from the prior state; empty on create.
    pub changes: Vec<Changed>,
}

/// Derived values by dotted path. They are kept apart from the state, because a refresh changes the state
/// when somebody edits the cluster: the next plan must return to the derived value, not keep the found one.
pub type Derived = BTreeMap<String, String>;

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Its path.
    pub path: Path,
    /// The effect of the change.
    pub change: Change,
}

/// Plans. `prior` is null on create. `derived_before` contains the attributes that the last plan derived;
/// `None` if that is not known (after an import).
pub fn propose(
    attributes: &[Attribute],
    config: &Value,
    prior: &Value,
    derived_before: Option<&Derived>,
) -> Proposal {
    let planned = complete(attributes, config, prior);
    let (planned, derived) = derive(attributes, config, planned, prior, derived_before);
    let planned = respell(attributes, &planned, prior);
    let changes = changes(attributes, prior, &planned);
    let planned = unsettle(attributes, planned, &changes);
    Proposal { planned, derived, changes }
}

/// Step 1. Defaults, and the prior values of attributes that only the provider sets.
pub fn complete(attributes: &[Attribute], config: &Value, prior: &Value) -> Value {
    complete_object(attributes, config, config, prior)
}

fn complete_object(attributes: &[Attribute], root: &Value, config: &Value, prior: &Value) -> Value {
    let omitted = Value::Map(BTreeMap::new());
    let complete_one = |attribute: &Attribute| {
        let (configured, before) = (config.get(attribute.name), prior.get(attribute.name));
        match (configured, &attribute.presence, &attribute.kind) {
            (Value::Unknown, ..) => Value::Unknown,
            (Value::Null, Presence::Defaulted(_), Kind::Nested(Nesting::Single, nested)) => {
                complete_object(nested, root, &omitted, before)
            }
            (Value::Null, Presence::Applicable(applies), Kind::Nested(_, nested)) => {
                match (applies.0)(root) {
                    Some(true) => complete_object(nested, root, &omitted, before),
                    Some(false) => Value::Null,
                    None => Value::Unknown,
                }
            }
            (Value::Null, Presence::Applicable(_), _) => Value::Null,
            (Value::Null, Presence::Defaulted(default), _) => default.clone(),
            (Value::Null, Presence::Computed, _) if before.is_null() && prior.is_null() => Value::Unknown,
            (Value::Null, Presence::Computed, _) => before.clone(),
            (Value::Null, Presence::Required | Presence::Optional, _) => Value::Null,
            // Step 2 fills these in.
            (Value::Null, Presence::Derived(_) | Presence::Endpoint(_), _) => Value::Unknown,
            (Value::Map(_), _, Kind::Nested(Nesting::Single, nested)) => {
                complete_object(nested, root, configured, before)
            }
            (configured, ..) => configured.clone(),
        }
    };
    Value::Map(
        attributes.iter().map(|attribute| (attribute.name.to_owned(), complete_one(attribute))).collect(),
    )
}

/// Step 2. Computes the values that follow from the rest, in the order of declaration: a later value may use
/// an earlier one. Also returns which optional attributes were derived.
pub fn derive(
    attributes: &[Attribute],
    config: &Value,
    planned: Value,
    prior: &Value,
    derived_before: Option<&Derived>,
) -> (Value, Derived) {
    let mut derived = Derived::new();
    let mut result = planned.clone();
    for (names, attribute) in leaves(attributes) {
        let (Presence::Derived(derivation) | Presence::Endpoint(derivation)) = &attribute.presence else {
            continue;
        };
        // A configured value wins, and there is nothing to fill in below an unknown or missing object.
        let above = &names[..names.len() - 1];
        if !config.at(&names).is_null() || !matches!(planned.at(above), Value::Map(_)) {
            continue;
        }
        let dotted = names.join(".");
        let before = match derived_before {
            Some(derived) => derived.get(&dotted).map(|text| Value::from(text.as_str())),
            // After an import nothing is known of the past, so the found value stays.
            None => Some(prior.at(&names).clone()).filter(|before| !before.is_null()),
        };
        let value = before
            .filter(|_| inputs_stay(derivation, &result, prior))
            .unwrap_or_else(|| (derivation.compute)(&result));
        if !derivation.kept_while.is_empty()
            && let Some(text) = value.as_str()
        {
            derived.insert(dotted, text.to_owned());
        }
        set(&mut result, &names, value);
    }
    (result, derived)
}

fn inputs_stay(derivation: &Derivation, planned: &Value, prior: &Value) -> bool {
    !derivation.kept_while.is_empty()
        && derivation.kept_while.iter().all(|input| {
            let names: Vec<&str> = input.split('.').collect();
            planned.at(&names) == prior.at(&names)
        })
}

/// Every attribute that is not a single nested object, with its path.
fn leaves(attributes: &[Attribute]) -> Vec<(Vec<&'static str>, &Attribute)> {
    attributes
        .iter()
        .flat_map(|attribute| match &attribute.kind {
            Kind::Nested(Nesting::Single, nested) if !attribute.is_read_only() => leaves(nested)
                .into_iter()
                .map(|(names, leaf)| (std::iter::once(attribute.name).chain(names).collect(), leaf))
                .collect(),
            _ => vec![(vec![attribute.name], attribute)],
        })
        .collect()
}

fn set(value: &mut Value, names: &[&str], new: Value) {
    let (Value::Map(entries), Some((first, rest))) = (value, names.split_first()) else { return };
    match rest {
        [] => drop(entries.insert((*first).to_owned(), new)),
        rest => {
            if let Some(inner) = entries.get_mut(*first) {
                set(inner, rest, new);
            }
        }
    }
}

/// Step 3. A value with the same meaning as before keeps its spelling; collections only as a whole.
pub fn respell(attributes: &[Attribute], new: &Value, prior: &Value) -> Value {
    let (Value::Map(entries), Value::Map(_)) = (new, prior) else { return new.clone() };
    let mut result = entries.clone();
    for attribute in attributes {
        let (after, before) = (new.get(attribute.name), prior.get(attribute.name));
        let value = match &attribute.kind {
            Kind::Nested(Nesting::Single, nested) => respell(nested, after, before),
            _ if (attribute.same)(after, before) => before.clone(),
            _ => after.clone(),
        };
        result.insert(attribute.name.to_owned(), value);
    }
    Value::Map(result)
}

/// Step 4. The differences from the prior state, attribute by attribute, without attributes that only the
/// provider sets.
pub fn changes(attributes: &[Attribute], prior: &Value, planned: &Value) -> Vec<Changed> {
    if prior.is_null() || planned.is_null() {
        return Vec::new();
    }
    leaves(attributes)
        .into_iter()
        .filter(|(_, leaf)| !leaf.is_read_only() && !leaf.write_only)
        .filter(|(names, leaf)| !(leaf.same)(planned.at(names), prior.at(names)))
        .map(|(names, leaf)| Changed { path: Path::of(&names.join(".")), change: leaf.change })
        .collect()
}

/// Step 5. If something will be written, the attributes that it changes are not known in advance.
pub fn unsettle(attributes: &[Attribute], mut planned: Value, changes: &[Changed]) -> Value {
    if !changes.iter().any(|changed| changed.change != Change::ProviderOnly) {
        return planned;
    }
    for attribute in attributes.iter().filter(|attribute| attribute.volatile) {
        set(&mut planned, &[attribute.name], Value::Unknown);
    }
    planned
}

/// Removes write-only values: no plan and no state contains them.
pub fn strip_write_only(attributes: &[Attribute], value: &Value) -> Value {
    let Value::Map(entries) = value else { return value.clone() };
    let mut stripped = entries.clone();
    for attribute in attributes {
        let member = value.get(attribute.name);
        let kept = match &attribute.kind {
            _ if attribute.write_only => Value::Null,
            Kind::Nested(Nesting::Single, nested) => strip_write_only(nested, member),
            _ => continue,
        };
        stripped.insert(attribute.name.to_owned(), kept);
    }
    Value::Map(stripped)
}

/// Puts the configuration's write-only values back into a plan, for apply.
pub fn with_write_only(attributes: &[Attribute], planned: &Value, config: &Value) -> Value {
    let mut result = planned.clone();
    for (names, leaf) in leaves(attributes) {
        if leaf.write_only {
            set(&mut result, &names, config.at(&names).clone());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::terraform::attribute::{Attr, Reading};
    use crate::terraform::phase::{Known, Maybe, Planned};
    use crate::terraform::{msgpack, types::Type};
    use crate::{choice, object};

    choice! {
        /// How.
        pub enum Mode { One = "one", Two = "two" }
    }

    object! {
        /// A volume.
        pub struct Volume {
            /// Class.
            class: String = default("gp3").refused(),
            /// Gigabytes.
            size: i64 = default(10).check(|size| if *size > 0 { Ok(()) } else { Err("expected at least 1".into()) }),
            /// Extra.
            extra: Option<String> = optional(),
        }
    }

    object! {
        /// A toleration.
        pub struct Toleration {
            /// Key.
            key: Option<String> = optional(),
        }
    }

    object! {
        /// A thing.
        pub struct Thing {
            /// Name.
            name: String = required().replaces(),
            /// Mode.
            mode: Mode = default("one").rolls(),
            /// Volume.
            volume: Volume = nested(),
            /// Tag.
            tag: String = derived(|root| match root.get("mode") {
                Value::String(mode) => Value::from(format!("tag-{mode}")),
                other => other.clone(),
            }).kept_while(&["mode"]),
            /// Host.
            host: String = endpoint(|root| match root.get("name") {
                Value::String(name) => Value::from(format!("{name}.svc")),
                other => other.clone(),
            }),
            /// Secret.
            secret_wo: Option<String> = optional().write_only(),
            /// Patience.
            timeout: String = default("20m").provider_only(),
            /// Labels.
            labels: BTreeMap<String, String> = default(Value::Map(BTreeMap::new())).rolls(),
            /// Tolerations.
            tolerations: Option<Vec<Toleration>> = optional().rolls(),
            /// Id.
            id: String = computed(),
            /// Status.
            status: Option<String> = computed().volatile(),
        }
    }

    fn attributes() -> Vec<Attribute> {
        Thing::attributes()
    }

    fn config(entries: &[(&str, Value)]) -> Value {
        let mut all = BTreeMap::from([("name".to_owned(), Value::from("a"))]);
        all.extend(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Value::Map(all)
    }

    /// The state after a create of that configuration.
    fn applied(config: &Value) -> Value {
        let mut state =
            strip_write_only(&attributes(), &propose(&attributes(), config, &Value::Null, None).planned);
        set(&mut state, &["id"], Value::from("1"));
        set(&mut state, &["status"], Value::from("ready"));
        state
    }

    fn paths(proposal: &Proposal) -> Vec<String> {
        proposal.changes.iter().map(|changed| changed.path.to_string()).collect()
    }

    #[test]
    fn complete_fills_defaults_and_leaves_computed_unknown_on_create() {
        let planned = propose(&attributes(), &config(&[]), &Value::Null, None).planned;
        assert_eq!(planned.at(&["volume", "size"]), &Value::from(10));
        assert_eq!(planned.at(&["volume", "extra"]), &Value::Null);
        assert_eq!(planned.get("tag"), &Value::from("tag-one"));
        assert_eq!(planned.get("host"), &Value::from("a.svc"));
        assert_eq!(planned.get("id"), &Value::Unknown);
        assert_eq!(planned.get("labels"), &Value::Map(BTreeMap::new()));
        assert_eq!(planned.get("tolerations"), &Value::Null);
    }

    #[test]
    fn complete_keeps_the_unknown_of_a_configuration() {
        let planned = propose(
            &attributes(),
            &config(&[("volume", Value::Unknown), ("mode", Value::Unknown)]),
            &Value::Null,
            None,
        )
        .planned;
        assert_eq!(planned.get("volume"), &Value::Unknown);
        assert_eq!(planned.get("tag"), &Value::Unknown);
    }

    #[test]
    fn an_unchanged_configuration_plans_the_prior_state() {
        let state = applied(&config(&[]));
        let proposal = propose(&attributes(), &config(&[]), &state, None);
        assert_eq!((proposal.planned, proposal.changes), (state, vec![]));
    }

    #[test]
    fn changes_name_the_leaf_and_unsettle_what_is_volatile() {
        let state = applied(&config(&[]));
        let volume = Value::object([("size", Value::from(20))]);
        let proposal = propose(&attributes(), &config(&[("volume", volume)]), &state, None);
        assert_eq!(paths(&proposal), ["volume.size"]);
        assert_eq!(proposal.planned.get("status"), &Value::Unknown);
        assert_eq!(proposal.planned.get("id"), &Value::from("1"));
        assert_eq!(proposal.planned.at(&["volume", "class"]), &Value::from("gp3"));
    }

    #[test]
    fn provider_only_changes_make_nothing_unknown() {
        let state = applied(&config(&[]));
        let proposal = propose(&attributes(), &config(&[("timeout", Value::from("5m"))]), &state, None);
        assert_eq!(paths(&proposal), ["timeout"]);
        assert_eq!(proposal.planned.get("status"), &Value::from("ready"));
    }

    #[test]
    fn derived_values_survive_an_upgrade_of_the_provider_but_not_a_change_of_their_inputs() {
        let mut state = applied(&config(&[]));
        set(&mut state, &["tag"], Value::from("tag-of-an-older-table"));
        let derived = Some(Derived::from([("tag".to_owned(), "tag-of-an-older-table".to_owned())]));
        let plan = |config: &Value, before: Option<&Derived>| {
            propose(&attributes(), config, &state, before).planned.get("tag").clone()
        };
        assert_eq!(plan(&config(&[]), derived.as_ref()), Value::from("tag-of-an-older-table"));
        assert_eq!(plan(&config(&[]), None), Value::from("tag-of-an-older-table"), "after an import");
        assert_eq!(plan(&config(&[("mode", Value::from("two"))]), derived.as_ref()), Value::from("tag-two"));
        // It was configured before, and no longer is.
        assert_eq!(plan(&config(&[]), Some(&Derived::new())), Value::from("tag-one"));
        // Somebody edited the cluster: back to what was derived.
        set(&mut state, &["tag"], Value::from("tag-by-hand"));
        let plan = propose(&attributes(), &config(&[]), &state, derived.as_ref());
        assert_eq!(
            (plan.planned.get("tag"), paths(&plan)),
            (&Value::from("tag-of-an-older-table"), vec!["tag".to_owned()])
        );
    }

    #[test]
    fn set_change_unset_comes_back_to_where_it_began() {
        let before = applied(&config(&[]));
        for entry in [
            ("mode", Value::from("two")),
            ("labels", Value::object([("a", Value::from("b"))])),
            ("tolerations", Value::List(vec![Value::object([("key", Value::from("k"))])])),
            ("volume", Value::object([("extra", Value::from("x"))])),
        ] {
            let set = applied(&config(std::slice::from_ref(&entry)));
            let back = propose(&attributes(), &config(&[]), &set, None);
            assert_eq!(back.changes.len(), 1 + usize::from(entry.0 == "mode"), "{}", entry.0);
            assert_eq!(strip_write_only(&attributes(), &back.planned).get(entry.0), before.get(entry.0));
        }
    }

    #[test]
    fn write_only_values_are_seen_by_apply_and_by_nothing_else() {
        let with_secret = config(&[("secret_wo", Value::from("hush"))]);
        let planned = strip_write_only(
            &attributes(),
            &propose(&attributes(), &with_secret, &Value::Null, None).planned,
        );
        assert_eq!(planned.get("secret_wo"), &Value::Null);
        let for_apply = with_write_only(&attributes(), &planned, &with_secret);
        assert_eq!(for_apply.get("secret_wo"), &Value::from("hush"));
        let state = applied(&with_secret);
        assert!(propose(&attributes(), &config(&[]), &state, None).changes.is_empty());
    }

    #[test]
    fn a_model_is_read_and_written_in_both_phases() {
        let planned =
            propose(&attributes(), &config(&[("mode", Value::Unknown)]), &Value::Null, None).planned;
        let model = Thing::read::<Planned>(&planned, &mut Reading::default()).unwrap();
        assert_eq!(model.mode, Maybe::Unknown);
        assert_eq!(*model.volume.known().unwrap().size.known().unwrap(), 10);
        assert_eq!(Thing::write::<Planned>(&model), planned);
        let state = applied(&config(&[]));
        let model = Thing::read::<Known>(&state, &mut Reading::default()).unwrap();
        assert_eq!(model.mode, Mode::One);
        assert_eq!(Thing::write::<Known>(&model), state);
    }

    #[test]
    fn everything_wrong_is_said_at_once_each_on_its_attribute() {
        let wrong = config(&[
            ("mode", Value::from("three")),
            ("volume", Value::object([("size", Value::from(0)), ("extra", Value::from("fine"))])),
        ]);
        let (accepted, problems) = crate::terraform::validate::validate(&attributes(), &wrong);
        let said: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.summary, problem.detail)).collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        Invalid value for mode: Expected one of one, two, got "three".
        Invalid value for volume.size: Expected at least 1.
        "#);
        assert_eq!(accepted.get("mode"), &Value::Unknown);
        assert_eq!(accepted.at(&["volume", "size"]), &Value::Unknown);
        assert_eq!(accepted.at(&["volume", "extra"]), &Value::from("fine"));
    }

    fn value_of(ty: Type) -> BoxedStrategy<Value> {
        let known = match ty {
            Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
            Type::Number => prop_oneof![
                any::<i64>().prop_map(Value::from),
                Just(Value::Number(crate::terraform::Number::parse("0.1").unwrap())),
                Just(Value::Number(crate::terraform::Number::parse("123456789012345678901").unwrap())),
            ]
            .boxed(),
            Type::String => any::<String>().prop_map(Value::from).boxed(),
            Type::List(element) | Type::Set(element) => {
                proptest::collection::vec(value_of(*element), 0..4).prop_map(Value::List).boxed()
            }
            Type::Map(element) => proptest::collection::btree_map(any::<String>(), value_of(*element), 0..4)
                .prop_map(Value::Map)
                .boxed(),
            Type::Object(attributes) => attributes
                .into_iter()
                .fold(Just(BTreeMap::new()).boxed(), |object, (name, ty)| {
                    (object, value_of(ty))
                        .prop_map(move |(mut object, value)| {
                            object.insert(name.clone(), value);
                            object
                        })
                        .boxed()
                })
                .prop_map(Value::Map)
                .boxed(),
        };
        prop_oneof![1 => Just(Value::Null), 1 => Just(Value::Unknown), 8 => known].boxed()
    }

    proptest! {
        #[test]
        fn msgpack_round_trips(value in value_of(super::super::attribute::object_type(&Thing::attributes()))) {
            let ty = super::super::attribute::object_type(&Thing::attributes());
            prop_assert_eq!(msgpack::decode(&msgpack::encode(&value, &ty), &ty).unwrap(), value);
        }

        #[test]
        fn planning_twice_gives_the_same(
            mode in prop_oneof![Just(Value::Null), Just(Value::Unknown), Just(Value::from("two"))],
            size in prop_oneof![Just(Value::Null), Just(Value::Unknown), (1i64..9).prop_map(Value::from)],
        ) {
            let config = config(&[("mode", mode), ("volume", Value::object([("size", size)]))]);
            let first = propose(&attributes(), &config, &Value::Null, None);
            prop_assert_eq!(&first, &propose(&attributes(), &config, &Value::Null, None));
        }
    }
}
