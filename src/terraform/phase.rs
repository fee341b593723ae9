//! One struct for both states of knowledge: `Persistence<Known>` holds values, and in `Persistence<Planned>`
//! some values may be unknown before apply.
//!
//! A guard reads a planned object with `?`: an unknown ends it, so an unknown never raises an error.

use std::fmt::Debug;

use super::attribute::Reading;
use super::value::Value;

/// What every value of an attribute can do.
pub trait Data: Clone + Debug + PartialEq + Send + Sync + 'static {}
impl<T: Clone + Debug + PartialEq + Send + Sync + 'static> Data for T {}

/// A state of knowledge.
pub trait Phase: Data {
    /// The value of an attribute of type `T` in this phase.
    type Of<T: Data>: Data;

    /// Reads a value that may be unknown; `known` reads it when it is not.
    fn read<T: Data>(
        value: &Value,
        reading: &mut Reading,
        known: impl FnOnce(&Value, &mut Reading) -> Option<T>,
    ) -> Option<Self::Of<T>>;

    /// Writes it back.
    fn write<T: Data>(held: &Self::Of<T>, known: impl FnOnce(&T) -> Value) -> Value;
}

/// Everything is known: a state, or the input of an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known;

/// Some of it may be unknown: a configuration or a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned;

/// A value that may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maybe<T> {
    /// Not known before apply.
    Unknown,
    /// Known.
    Known(T),
}

impl<T> Maybe<T> {
    /// The value if it is known; made for `?`.
    pub fn known(&self) -> Option<&T> {
        match self {
            Maybe::Known(value) => Some(value),
            Maybe::Unknown => None,
        }
    }
}

impl Phase for Known {
    type Of<T: Data> = T;

    fn read<T: Data>(
        value: &Value,
        reading: &mut Reading,
        known: impl FnOnce(&Value, &mut Reading) -> Option<T>,
    ) -> Option<T> {
        if value.is_unknown() {
            reading.wrong("it is not known yet");
            return None;
        }
        known(value, reading)
    }

    fn write<T: Data>(held: &T, known: impl FnOnce(&T) -> Value) -> Value {
        known(held)
    }
}

impl Phase for Planned {
    type Of<T: Data> = Maybe<T>;

    fn read<T: Data>(
        value: &Value,
        reading: &mut Reading,
        known: impl FnOnce(&Value, &mut Reading) -> Option<T>,
    ) -> Option<Maybe<T>> {
        if value.is_unknown() {
            return Some(Maybe::Unknown);
        }
        known(value, reading).map(Maybe::Known)
    }

    fn write<T: Data>(held: &Maybe<T>, known: impl FnOnce(&T) -> Value) -> Value {
        match held {
            Maybe::Unknown => Value::Unknown,
            Maybe::Known(value) => known(value),
        }
    }
}
