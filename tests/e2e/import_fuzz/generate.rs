//! Random values of an OpenAPI schema. What the schema does not tell is in `hints` (single fields) and `mends` (fields
//! that go together).
use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::hints::{self, Hint};
use super::mends;

/// Names of the fields that lead to a value; an item of a list is `[]`, a value of a map `{}`.
pub type Path<'a> = [&'a str];

pub struct Generator<'a> {
    pub chance: &'a mut Chance,
    /// How many of a hundred optional fields are set.
    pub density: usize,
}

impl<'s> Generator<'_> {
    pub fn value(&mut self, schema: &'s Value, path: &mut Vec<&'s str>) -> Option<Value> {
        let mut value = match hints::hint(path, self.chance) {
            Hint::Is(value) => value,
            Hint::Absent => return None,
            Hint::BySchema => self.by_schema(schema, path)?,
        };
        mends::mend(path, &mut value, self.chance);
        Some(value)
    }

    fn by_schema(&mut self, schema: &'s Value, path: &mut Vec<&'s str>) -> Option<Value> {
        if let Some(choices) = schema["enum"].as_array() {
            return Some(choices[self.chance.below(choices.len())].clone());
        }
        if schema["x-kubernetes-int-or-string"] == true {
            return Some(json!(self.chance.between(1, 9)));
        }
        match schema["type"].as_str()? {
            "object" => Some(self.object(schema, path)),
            "array" => Some(self.list(&schema["items"], path)),
            "string" => Some(json!(hints::word(self.chance))),
            "boolean" => Some(json!(self.chance.percent(50))),
            "integer" | "number" => {
                let least = schema["minimum"].as_i64().unwrap_or(0);
                let most = schema["maximum"].as_i64().unwrap_or(least + 100);
                Some(json!(self.chance.between(least, most)))
            }
            _ => None,
        }
    }

    fn object(&mut self, schema: &'s Value, path: &mut Vec<&'s str>) -> Value {
        let mut object = Map::new();
        let Some(properties) = schema["properties"].as_object() else {
            return self.map(&schema["additionalProperties"], path);
        };
        for (name, schema_of_field) in properties {
            let is_required = schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            if !is_required && !self.chance.percent(self.density_at(path.len())) {
                continue;
            }
            path.push(name);
            if let Some(value) = self.value(schema_of_field, path) {
                object.insert(name.clone(), value);
            }
            path.pop();
        }
        Value::Object(object)
    }

    /// Deep down fewer fields are set, or a single probe would be as large as all the rest.
    fn density_at(&self, depth: usize) -> usize {
        if depth <= 2 { self.density } else { (self.density / 2).clamp(20, 40) }
    }

    fn map(&mut self, schema: &'s Value, path: &mut Vec<&'s str>) -> Value {
        let mut map = Map::new();
        for _ in 0..self.chance.below(3) {
            let key = hints::key(path, self.chance);
            path.push("{}");
            if let Some(value) = self.value(schema, path) {
                map.insert(key.to_owned(), value);
            }
            path.pop();
        }
        Value::Object(map)
    }

    fn list(&mut self, schema: &'s Value, path: &mut Vec<&'s str>) -> Value {
        path.push("[]");
        let length = self.chance.one_of(&[0, 1, 1, 1, 2, 2, 3]);
        let items = (0..length).filter_map(|_| self.value(schema, path)).collect();
        path.pop();
        Value::Array(items)
    }
}
