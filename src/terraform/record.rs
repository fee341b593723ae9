//! What core will be told of an object, kept outside the call that works on it: whether the call ends well,
//! fails at a `?`, is cancelled, times out or panics, the answer is made from here. So state is never lost.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use super::attribute::Attr;
use super::diagnostic::Diagnostic;
use super::phase::Known;
use super::private::Private;
use super::resource::Resource;
use super::value::Value;

/// The state, private data and identity of one object, as last saved by the call at work on it.
pub struct Record<R: Resource> {
    saved: Mutex<Saved>,
    resource: PhantomData<R>,
}

/// What was saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// The state; null for no object.
    pub state: Value,
    /// Private data.
    pub private: Private,
    /// The identity; null for none.
    pub identity: Value,
    /// Warnings given so far.
    pub warnings: Vec<Diagnostic>,
}

impl<R: Resource> Record<R> {
    /// A record of what core knows already.
    pub fn of(state: Value, private: Private, identity: Value) -> Record<R> {
        Record {
            saved: Mutex::new(Saved { state, private, identity, warnings: Vec::new() }),
            resource: PhantomData,
        }
    }

    /// Saves the object as it now is. To be called as soon as something exists, and whenever more is known.
    pub fn save(&self, model: &R::Model, identity: &R::Identity) {
        self.change(|saved| {
            saved.state = R::Model::write::<Known>(model);
            saved.identity = R::Identity::write::<Known>(identity);
        });
    }

    /// Saves that there is no object (any more).
    pub fn gone(&self) {
        self.change(|saved| {
            saved.state = Value::Null;
            saved.private = Private::default();
        });
    }

    /// Gives a warning along with the answer.
    pub fn warn(&self, warning: Diagnostic) {
        self.change(|saved| saved.warnings.push(warning));
    }

    /// What is saved now.
    pub fn saved(&self) -> Saved {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Saved)) {
        change(&mut self.saved.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
