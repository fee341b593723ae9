//! The answer to core about an object, kept outside the call that works on it. Whether the call succeeds,
//! fails at a `?`, is cancelled, times out or panics, the answer is made from here. So no state is lost.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use super::attribute::{Attr, Attribute};
use super::diagnostic::Diagnostic;
use super::handler::Answer;
use super::phase::Known;
use super::plan;
use super::private::Private;
use super::resource::{Problems, Resource};
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
    /// A record of what core already knows, with private data in core's bytes.
    pub fn of(state: &Value, private: &[u8], identity: Option<&Value>) -> Record<R> {
        Record {
            saved: Mutex::new(Saved {
                state: state.clone(),
                private: Private::decode(private),
                identity: identity.cloned().unwrap_or_default(),
                warnings: Vec::new(),
            }),
            resource: PhantomData,
        }
    }

    /// Saves the object as it is now. To be called as soon as something exists, and whenever more is known.
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

    /// What is currently saved.
    pub fn saved(&self) -> Saved {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer to core, however the work ended. Values with the same meaning as in `spelling` are spelled
    /// as there.
    pub fn answer(
        &self,
        attributes: &[Attribute],
        outcome: Result<(), Problems>,
        spelling: &Value,
    ) -> Answer {
        let Saved { state, private, identity, warnings: mut diagnostics } = self.saved();
        diagnostics.extend(outcome.err().unwrap_or_default());
        let state = plan::respell(attributes, &state, spelling);
        Answer {
            state: plan::strip_write_only(attributes, &state),
            private: private.encode(),
            identity: Some(identity).filter(|identity| !identity.is_null()),
            diagnostics,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Saved)) {
        change(&mut self.saved.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
