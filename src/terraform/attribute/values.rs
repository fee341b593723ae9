//! The values of an attribute: its type is its validator, and `==` compares the meaning.

use std::collections::BTreeMap;

use super::{Kind, Nesting, Reading, object_type};
use crate::terraform::path::Step;
use crate::terraform::phase::{Data, Known, Phase, Planned};
use crate::terraform::types::Type;
use crate::terraform::value::Value;

/// A possible value of an attribute. Reading it validates it; `==` compares the meaning.
pub trait Attr: Data {
    /// The value in a phase. An object is generic over the phase, a scalar is not.
    type In<P: Phase>: Data;

    /// Its type.
    fn kind() -> Kind;

    /// Reads a value that is neither null nor unknown as a whole, and reports its errors.
    fn read<P: Phase>(value: &Value, reading: &mut Reading) -> Option<Self::In<P>>;

    /// Writes it back.
    fn write<P: Phase>(held: &Self::In<P>) -> Value;

    /// Whether null is a valid value.
    const OPTIONAL: bool = false;
}

/// The value of an attribute of type `T` in phase `P`.
pub type At<T, P> = <P as Phase>::Of<<T as Attr>::In<P>>;

/// A value without parts.
pub trait Scalar: Data {
    /// Its Terraform type.
    const TYPE: Type;
    /// Reads a known value; `Err` says what was expected: "a quantity such as `10Gi`".
    fn parse(value: &Value) -> Result<Self, String>;
    /// Writes it back, in the spelling it was read in.
    fn value(&self) -> Value;
}

impl<T: Scalar> Attr for T {
    type In<P: Phase> = T;

    fn kind() -> Kind {
        Kind::Plain(T::TYPE)
    }

    fn read<P: Phase>(value: &Value, reading: &mut Reading) -> Option<T> {
        match T::parse(value) {
            Ok(parsed) => Some(parsed),
            Err(expected) => {
                reading.wrong(expected);
                None
            }
        }
    }

    fn write<P: Phase>(held: &T) -> Value {
        held.value()
    }
}

impl Scalar for String {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<String, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| "expected a string".to_owned())
    }
    fn value(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Scalar for bool {
    const TYPE: Type = Type::Bool;
    fn parse(value: &Value) -> Result<bool, String> {
        value.as_bool().ok_or_else(|| "expected true or false".to_owned())
    }
    fn value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Scalar for i64 {
    const TYPE: Type = Type::Number;
    fn parse(value: &Value) -> Result<i64, String> {
        match value {
            Value::Number(number) => {
                number.as_i64().ok_or_else(|| format!("expected a whole number, got {number}"))
            }
            _ => Err("expected a whole number".to_owned()),
        }
    }
    fn value(&self) -> Value {
        Value::from(*self)
    }
}

impl<T: Attr> Attr for Option<T> {
    type In<P: Phase> = Option<T::In<P>>;
    const OPTIONAL: bool = true;

    fn kind() -> Kind {
        T::kind()
    }

    fn read<P: Phase>(value: &Value, reading: &mut Reading) -> Option<Option<T::In<P>>> {
        if value.is_null() { Some(None) } else { T::read::<P>(value, reading).map(Some) }
    }

    fn write<P: Phase>(held: &Option<T::In<P>>) -> Value {
        held.as_ref().map_or(Value::Null, T::write::<P>)
    }
}

impl<T: Attr> Attr for Vec<T> {
    type In<P: Phase> = Vec<At<T, P>>;

    fn kind() -> Kind {
        collection::<T>(Type::List, Nesting::List)
    }

    fn read<P: Phase>(value: &Value, reading: &mut Reading) -> Option<Vec<At<T, P>>> {
        let Value::List(elements) = value else {
            reading.wrong("expected a list");
            return None;
        };
        let read: Vec<_> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| {
                reading.at(Step::Index(i64::try_from(index).unwrap_or(i64::MAX)), |reading| {
                    required::<T, P>(element, reading)
                })
            })
            .collect();
        read.into_iter().collect()
    }

    fn write<P: Phase>(held: &Vec<At<T, P>>) -> Value {
        Value::List(held.iter().map(|element| P::write(element, T::write::<P>)).collect())
    }
}

impl<T: Attr> Attr for BTreeMap<String, T> {
    type In<P: Phase> = BTreeMap<String, At<T, P>>;

    fn kind() -> Kind {
        collection::<T>(Type::Map, Nesting::Map)
    }

    fn read<P: Phase>(value: &Value, reading: &mut Reading) -> Option<BTreeMap<String, At<T, P>>> {
        let Value::Map(elements) = value else {
            reading.wrong("expected a map");
            return None;
        };
        let read: Vec<_> = elements
            .iter()
            .map(|(key, element)| {
                let read = reading.at(Step::Key(key.clone()), |reading| required::<T, P>(element, reading));
                read.map(|read| (key.clone(), read))
            })
            .collect();
        read.into_iter().collect()
    }

    fn write<P: Phase>(held: &BTreeMap<String, At<T, P>>) -> Value {
        Value::Map(
            held.iter().map(|(key, element)| (key.clone(), P::write(element, T::write::<P>))).collect(),
        )
    }
}

fn collection<T: Attr>(plain: fn(Box<Type>) -> Type, nested: Nesting) -> Kind {
    match T::kind() {
        Kind::Plain(element) => Kind::Plain(plain(Box::new(element))),
        Kind::Nested(Nesting::Single, attributes) => Kind::Nested(nested, attributes),
        // Collections of collections of objects: no schema of ours has them.
        Kind::Nested(_, attributes) => Kind::Plain(plain(Box::new(object_type(&attributes)))),
    }
}

/// Reads a value that must not be null unless the type allows it.
fn required<T: Attr, P: Phase>(value: &Value, reading: &mut Reading) -> Option<At<T, P>> {
    P::read(value, reading, |value, reading| {
        if value.is_null() && !T::OPTIONAL {
            reading.wrong("it must not be null");
            return None;
        }
        T::read::<P>(value, reading)
    })
}

/// Reads an attribute of an object.
pub fn read_attribute<T: Attr, P: Phase>(
    object: &Value,
    name: &str,
    reading: &mut Reading,
) -> Option<At<T, P>> {
    reading.at(Step::Attribute(name.to_owned()), |reading| required::<T, P>(object.get(name), reading))
}

/// A known value as part of a plan.
pub fn as_planned<T: Attr<In<Known> = T>>(known: &T) -> Option<T::In<Planned>> {
    T::read::<Planned>(&T::write::<Known>(known), &mut Reading::default())
}

/// Whether two values of type `T` mean the same. Values that cannot be read are compared as they are written.
pub fn same<T: Attr>(left: &Value, right: &Value) -> bool {
    if left == right {
        return true;
    }
    if left.is_null() || right.is_null() || !left.is_wholly_known() || !right.is_wholly_known() {
        return false;
    }
    let read = |value| T::read::<Known>(value, &mut Reading::default());
    matches!((read(left), read(right)), (Some(left), Some(right)) if left == right)
}
