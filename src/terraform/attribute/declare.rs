//! The words of a declaration, and the macros that turn one into a struct, a schema, and the reading and writing of
//! values. `object!` brings the words into scope after each `=`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::values::Attr;
use super::{Applicability, Attribute, Change, Check, Derivation, Presence, Reading};
use crate::terraform::phase::{Known, Planned};
use crate::terraform::value::Value;

/// A further condition on a value of type `T`.
pub type TypedCheck<T> = fn(&T) -> Result<(), String>;

/// How a field of type `T` is declared.
pub struct Declaration<T> {
    presence: Presence,
    change: Change,
    sensitive: bool,
    write_only: bool,
    volatile: bool,
    check: Option<TypedCheck<T>>,
    check_new: Option<TypedCheck<T>>,
}

fn with<T>(presence: Presence) -> Declaration<T> {
    Declaration {
        presence,
        change: Change::Live,
        sensitive: false,
        write_only: false,
        volatile: false,
        check: None,
        check_new: None,
    }
}

/// The configuration must set it.
pub fn required<T>() -> Declaration<T> {
    with(Presence::Required)
}

/// The configuration may set it; null otherwise.
pub fn optional<T>() -> Declaration<Option<T>> {
    with(Presence::Optional)
}

/// The provider sets it.
pub fn computed<T>() -> Declaration<T> {
    with(Presence::Computed)
}

/// The configuration may set it; otherwise this value.
pub fn default<T>(value: impl Into<Value>) -> Declaration<T> {
    with(Presence::Defaulted(value.into()))
}

/// An object that defaults to the defaults of its members.
pub fn nested<T>() -> Declaration<T> {
    with(Presence::Defaulted(Value::Map(BTreeMap::new())))
}

/// An object that defaults to the defaults of its members if it applies to the configuration, and is null
/// otherwise.
pub fn nested_where<T>(applies: fn(&Value) -> Option<bool>) -> Declaration<Option<T>> {
    with(Presence::Applicable(Applicability(applies)))
}

/// The configuration may set it; otherwise computed from the planned root at every plan.
pub fn derived<T>(compute: fn(&Value) -> Value) -> Declaration<T> {
    with(Presence::Derived(Derivation { compute, kept_while: &[] }))
}

/// Computed from the planned root at every plan; the configuration cannot set it.
pub fn endpoint<T>(compute: fn(&Value) -> Value) -> Declaration<T> {
    with(Presence::Endpoint(Derivation { compute, kept_while: &[] }))
}

impl<T> Declaration<T> {
    /// A change restarts the pods.
    pub fn rolls(self) -> Self {
        Declaration { change: Change::Rolls, ..self }
    }

    /// A change replaces the instance.
    pub fn replaces(self) -> Self {
        Declaration { change: Change::Replaces, ..self }
    }

    /// A change is refused at plan.
    pub fn refused(self) -> Self {
        Declaration { change: Change::Refused, ..self }
    }

    /// Only the provider reads it.
    pub fn provider_only(self) -> Self {
        Declaration { change: Change::ProviderOnly, ..self }
    }

    /// Core hides it.
    pub fn sensitive(self) -> Self {
        Declaration { sensitive: true, ..self }
    }

    /// In no plan and no state.
    pub fn write_only(self) -> Self {
        Declaration { write_only: true, sensitive: true, ..self }
    }

    /// Unknown in every plan that writes something.
    pub fn volatile(self) -> Self {
        Declaration { volatile: true, ..self }
    }

    /// A further condition; its `Err` says what was expected.
    pub fn check(self, check: TypedCheck<T>) -> Self {
        Declaration { check: Some(check), ..self }
    }

    /// A further condition on a value that the instance does not have yet; its `Err` says what was expected.
    pub fn check_new(self, check: TypedCheck<T>) -> Self {
        Declaration { check_new: Some(check), ..self }
    }

    /// A derived value stays while these inputs stay.
    pub fn kept_while(mut self, inputs: &'static [&'static str]) -> Self {
        if let Presence::Derived(derivation) = &mut self.presence {
            derivation.kept_while = inputs;
        }
        self
    }
}

impl<T: Attr<In<Known> = T>> Declaration<T> {
    /// The attribute of that name and documentation.
    pub fn attribute(self, name: &'static str, documentation: &[&str]) -> Attribute {
        let lines: Vec<&str> = documentation.iter().map(|line| line.trim()).collect();
        let of_value = |check: TypedCheck<T>| -> Check {
            Arc::new(move |value| match T::read::<Known>(value, &mut Reading::default()) {
                Some(known) => check(&known),
                None => Ok(()),
            })
        };
        Attribute {
            name,
            description: lines.join(" ").replace("  ", "\n\n"),
            kind: T::kind(),
            presence: self.presence,
            change: self.change,
            sensitive: self.sensitive,
            write_only: self.write_only,
            volatile: self.volatile,
            read: |value, reading| drop(T::read::<Planned>(value, reading)),
            same: super::values::same::<T>,
            check: self.check.map(of_value),
            check_new: self.check_new.map(of_value),
        }
    }
}

/// The name of a field in a configuration: `r#type` is `type` there.
pub fn attribute_name(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Declares an object once: its struct in both phases, its schema, its reading and its writing.
///
/// ```ignore
/// object! {
///     /// Where Redis keeps its data.
///     pub struct Persistence {
///         /// Class of each volume.
///         storage_class: String = default("gp3").refused(),
///         /// Size of each volume.
///         size: Quantity = default("10Gi").check(at_least_1gi),
///     }
/// }
/// ```
#[macro_export]
macro_rules! object {
    (
        $(#[doc = $about:literal])*
        pub struct $Object:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $Type:ty = $declaration:expr ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Object<P: $crate::terraform::Phase = $crate::terraform::Known> {
            $( $(#[doc = $doc])* pub $field: $crate::terraform::attribute::At<$Type, P>, )*
        }

        impl $Object {
            /// The attributes, in the order of declaration.
            pub fn attributes() -> Vec<$crate::terraform::attribute::Attribute> {
                #[allow(unused_imports, reason = "each object uses some of the words")]
                use $crate::terraform::attribute::declare::*;
                vec![ $( {
                    let declaration: Declaration<$Type> = $declaration;
                    declaration.attribute(attribute_name(stringify!($field)), &[$($doc),*])
                }, )* ]
            }
        }

        impl $crate::terraform::attribute::Attr for $Object {
            type In<P: $crate::terraform::Phase> = $Object<P>;

            fn kind() -> $crate::terraform::attribute::Kind {
                $crate::terraform::attribute::Kind::Nested(
                    $crate::terraform::attribute::Nesting::Single,
                    $Object::attributes(),
                )
            }

            fn read<P: $crate::terraform::Phase>(
                value: &$crate::terraform::Value,
                reading: &mut $crate::terraform::attribute::Reading,
            ) -> Option<$Object<P>> {
                use $crate::terraform::attribute::{declare::attribute_name, read_attribute};
                // All fields are read before any is used, so that all errors are reported at once.
                $( let $field = read_attribute::<$Type, P>(value, attribute_name(stringify!($field)), reading); )*
                Some($Object { $( $field: $field?, )* })
            }

            fn write<P: $crate::terraform::Phase>(held: &$Object<P>) -> $crate::terraform::Value {
                use $crate::terraform::attribute::{Attr, declare::attribute_name};
                $crate::terraform::Value::Map(std::collections::BTreeMap::from([ $( (
                    attribute_name(stringify!($field)).to_owned(),
                    <P as $crate::terraform::Phase>::write(&held.$field, <$Type as Attr>::write::<P>),
                ), )* ]))
            }
        }
    };
}

/// Declares an enumeration of accepted words, which feeds validator, message and documentation.
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        pub enum $Choice:ident { $( $(#[doc = $doc:literal])* $Variant:ident = $word:literal ),* $(,)? }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Choice { $( $(#[doc = $doc])* $Variant, )* }

        impl $Choice {
            /// The accepted words.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word of a configuration.
            pub fn word(self) -> &'static str {
                match self { $( $Choice::$Variant => $word, )* }
            }
        }

        impl $crate::terraform::attribute::Scalar for $Choice {
            const TYPE: $crate::terraform::Type = $crate::terraform::Type::String;

            fn parse(value: &$crate::terraform::Value) -> Result<Self, String> {
                match value.as_str() {
                    $( Some($word) => Ok($Choice::$Variant), )*
                    Some(other) => Err(format!("expected one of {}, got {other:?}", Self::WORDS.join(", "))),
                    None => Err(format!("expected one of {}", Self::WORDS.join(", "))),
                }
            }

            fn value(&self) -> $crate::terraform::Value {
                $crate::terraform::Value::from(self.word())
            }
        }
    };
}
