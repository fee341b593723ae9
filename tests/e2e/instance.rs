//! The configurations of the scenarios: small enough that many fit on a node of two cores.
use std::collections::BTreeMap;

/// The resource's address in every scenario.
pub const ADDRESS: &str = "redis_k8s_instance.this";

/// The instance's name; its first pod is `cache-0`.
pub const NAME: &str = "cache";
pub const POD: &str = "cache-0";

/// Collections that scenarios look into.
pub const CUSTOM_RESOURCES: &str = "/apis/redis.redis.opstreelabs.in/v1beta2/namespaces/{namespace}/redis";
pub const STATEFUL_SETS: &str = "/apis/apps/v1/namespaces/{namespace}/statefulsets";
pub const SECRETS: &str = "/api/v1/namespaces/{namespace}/secrets";
pub const PODS: &str = "/api/v1/namespaces/{namespace}/pods";
pub const CLAIMS: &str = "/api/v1/namespaces/{namespace}/persistentvolumeclaims";

/// A `main.tf` with one instance. Arguments are replaced one by one, as a user edits a file.
#[derive(Clone)]
pub struct Configuration {
    provider: String,
    arguments: BTreeMap<String, String>,
    before: String,
}

impl Configuration {
    /// An instance that asks for little.
    pub fn small() -> Configuration {
        let configuration = Configuration {
            provider: "provider \"redis\" {}".to_owned(),
            arguments: BTreeMap::new(),
            before: String::new(),
        };
        configuration
            .with("name", &format!("{NAME:?}"))
            .with("namespace", "\"{namespace}\"")
            .with("master", &master("10m"))
            .with("persistence", "{ size = \"64Mi\" }")
            .with("timeouts", "{ create = \"3m\", update = \"3m\", delete = \"2m\" }")
    }

    /// Sets an argument to an expression.
    pub fn with(mut self, argument: &str, expression: &str) -> Configuration {
        self.arguments.insert(argument.to_owned(), expression.to_owned());
        self
    }

    pub fn without(mut self, argument: &str) -> Configuration {
        self.arguments.remove(argument);
        self
    }

    /// Another provider block.
    pub fn provider(mut self, block: &str) -> Configuration {
        self.provider = block.to_owned();
        self
    }

    /// Further blocks of the file.
    pub fn and(mut self, blocks: &str) -> Configuration {
        self.before.push_str(blocks);
        self
    }

    /// The text of `main.tf`.
    pub fn text(&self) -> String {
        let Configuration { provider, arguments, before } = self;
        let arguments: String =
            arguments.iter().map(|(name, expression)| format!("  {name} = {expression}\n")).collect();
        format!(
            "terraform {{\n  required_providers {{\n    redis = {{ source = \"redis-k8s/redis\" }}\n  }}\n}}\n\n\
             {provider}\n\n{before}\nresource \"redis_k8s_instance\" \"this\" {{\n{arguments}}}\n"
        )
    }
}

/// Resources that fit beside many others.
pub fn master(requested_cpu: &str) -> String {
    format!(
        "{{ resources = {{ requests = {{ cpu = {requested_cpu:?}, memory = \"32Mi\" }}, \
         limits = {{ cpu = \"200m\", memory = \"128Mi\" }} }} }}"
    )
}
