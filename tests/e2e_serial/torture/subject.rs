//! An instance, and what may be changed of it.
use super::chance::Chance;
use crate::instance::Configuration;
use crate::topology::{cluster, replication, sentinel};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Standalone,
    Replication,
    Sentinel,
    Cluster,
}

impl Shape {
    /// Whether Redis or its sentinels replace a leader by themselves.
    pub fn fails_over(self) -> bool {
        matches!(self, Shape::Sentinel | Shape::Cluster)
    }
}

pub struct Subject {
    pub shape: Shape,
    configuration: Configuration,
    has_append_only_file: bool,
}

impl Subject {
    pub fn chosen(chance: &mut Chance) -> Subject {
        let shape = *chance.one_of(&[Shape::Standalone, Shape::Replication, Shape::Sentinel, Shape::Cluster]);
        let configuration = match shape {
            Shape::Standalone => Configuration::small(),
            Shape::Replication => replication().with("replica", "{ count = 2 }"),
            Shape::Sentinel => sentinel(""),
            Shape::Cluster => cluster(),
        };
        let configuration =
            configuration.with("timeouts", "{ create = \"8m\", update = \"8m\", delete = \"3m\" }");
        Subject { shape, configuration, has_append_only_file: false }
    }

    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Changes one thing, and says which.
    pub fn change(&mut self, chance: &mut Chance) -> String {
        let number = 50 + chance.below(1000);
        let (argument, expression) = match chance.below(7) {
            0 => ("additional_config", format!("{{ timeout = \"{number}\" }}")),
            1 => ("maxmemory_percent", (50 + number % 30).to_string()),
            2 => ("labels", format!("{{ team = \"t{number}\" }}")),
            3 => ("authentication", format!("{{ rotate = {{ time = \"{number}\" }} }}")),
            4 => ("env", format!("{{ ROLLED = \"{number}\" }}")),
            5 if matches!(self.shape, Shape::Replication | Shape::Sentinel) => {
                ("replica", format!("{{ count = {} }}", 1 + number % 3))
            }
            _ => {
                self.has_append_only_file = !self.has_append_only_file;
                let aof = format!("aof = {{ enabled = {} }}", self.has_append_only_file);
                let nodes = if self.shape == Shape::Cluster { ", node_conf_size = \"64Mi\"" } else { "" };
                ("persistence", format!("{{ size = \"64Mi\"{nodes}, {aof} }}"))
            }
        };
        self.configuration = self.configuration.clone().with(argument, &expression);
        format!("{argument} = {expression}")
    }
}
