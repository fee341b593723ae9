//! The handlers of one kind, such as resources, that core asks for by name.

use std::collections::BTreeMap;

use super::diagnostic::Diagnostic;

/// The handlers of one kind, by the name that core calls each.
pub struct Table<H: ?Sized> {
    kind: &'static str,
    handlers: BTreeMap<&'static str, Box<H>>,
}

impl<H: ?Sized> Table<H> {
    /// An empty table. `kind` is the word for one handler in a message, such as `resource`.
    pub fn new(kind: &'static str) -> Table<H> {
        Table { kind, handlers: BTreeMap::new() }
    }

    /// Adds a handler.
    pub fn insert(&mut self, name: &'static str, handler: Box<H>) {
        self.handlers.insert(name, handler);
    }

    /// The handler of this name. If there is none, the provider is older than the configuration.
    pub fn get(&self, name: &str) -> Result<&H, Diagnostic> {
        self.handlers.get(name).map(AsRef::as_ref).ok_or_else(|| {
            Diagnostic::error(
                format!("No {} {name}", self.kind),
                "This version of the provider does not have it. Check the name, or upgrade the provider.",
            )
        })
    }

    /// All handlers, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &H)> {
        self.handlers.iter().map(|(name, handler)| (*name, handler.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_found_by_its_name_and_a_missing_one_is_named_with_its_kind() {
        let mut functions: Table<str> = Table::new("function");
        functions.insert("parse_url", "parses".into());
        functions.insert("join_url", "joins".into());
        assert_eq!(functions.get("parse_url"), Ok("parses"));
        assert_eq!(functions.iter().collect::<Vec<_>>(), [("join_url", "joins"), ("parse_url", "parses")]);

        let missing = functions.get("parse").unwrap_err();
        assert_eq!(missing.summary, "No function parse");
        assert!(missing.detail.contains("upgrade the provider"), "{}", missing.detail);
    }
}
