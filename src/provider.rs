//! The provider block: which cluster, and as whom. The names and environment variables are those of
//! hashicorp/kubernetes, so that a block can be copied over.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use secrecy::SecretString;

use crate::kubernetes::{Cluster, Exec, Settings};
use crate::object;
use crate::resources::connection::{Connection, DOMAIN, is_domain};
use crate::resources::instance::InstanceResource;
use crate::terraform::attribute::{Attr, Reading};
use crate::terraform::resource::Provider;
use crate::terraform::{Diagnostic, Known, Path, Schema, Server, Value};

object! {
    /// The provider block.
    pub struct Block {
        /// URL of the API server. Environment: `KUBE_HOST`.
        host: Option<String> = optional(),
        /// User name for basic authentication. Environment: `KUBE_USER`.
        username: Option<String> = optional(),
        /// Password for basic authentication. Environment: `KUBE_PASSWORD`.
        password: Option<String> = optional().sensitive(),
        /// Whether to skip verification of the API server's certificate. Environment: `KUBE_INSECURE`.
        insecure: Option<bool> = optional(),
        /// Name for which the API server's certificate must be valid. Environment: `KUBE_TLS_SERVER_NAME`.
        tls_server_name: Option<String> = optional(),
        /// Client certificate in PEM format. Environment: `KUBE_CLIENT_CERT_DATA`.
        client_certificate: Option<String> = optional(),
        /// Key of the client certificate in PEM format. Environment: `KUBE_CLIENT_KEY_DATA`.
        client_key: Option<String> = optional().sensitive(),
        /// CA certificates for verifying the API server's certificate, in PEM format. Environment:
        /// `KUBE_CLUSTER_CA_CERT_DATA`.
        cluster_ca_certificate: Option<String> = optional(),
        /// Bearer token. Environment: `KUBE_TOKEN`.
        token: Option<String> = optional().sensitive(),
        /// Path of a kubeconfig. Environment: `KUBE_CONFIG_PATH`, then `KUBECONFIG`.
        config_path: Option<String> = optional(),
        /// Paths of kubeconfigs, which are merged. Environment: `KUBE_CONFIG_PATHS`.
        config_paths: Option<Vec<String>> = optional(),
        /// Context of the kubeconfig. Environment: `KUBE_CTX`.
        config_context: Option<String> = optional(),
        /// User of the kubeconfig, instead of the context's. Environment: `KUBE_CTX_AUTH_INFO`.
        config_context_auth_info: Option<String> = optional(),
        /// Cluster of the kubeconfig, instead of the context's. Environment: `KUBE_CTX_CLUSTER`.
        config_context_cluster: Option<String> = optional(),
        /// URL of an HTTP, HTTPS or SOCKS5 proxy. Environment: `KUBE_PROXY_URL`.
        proxy_url: Option<String> = optional(),
        /// DNS domain of the cluster, of which the host names of instances are made. Default: `cluster.local`. The operator
        /// needs the same value, in its variable `SERVICE_DNS_DOMAIN`.
        cluster_domain: Option<String> = optional().check(is_domain),
        /// A program that provides credentials, such as `aws eks get-token`.
        exec: Option<ExecBlock> = optional(),
    }
}

object! {
    /// A program that provides credentials.
    pub struct ExecBlock {
        /// Version of the program's protocol: `client.authentication.k8s.io/v1` or `…/v1beta1`.
        api_version: String = required(),
        /// The program.
        command: String = required(),
        /// Arguments of the program.
        args: Option<Vec<String>> = optional(),
        /// Environment variables of the program, in addition to those of Terraform.
        env: Option<BTreeMap<String, String>> = optional().sensitive(),
    }
}

/// The provider.
pub struct RedisProvider {
    connection: Arc<Connection>,
}

/// The provider with all its resources, ready to be served.
pub fn server() -> Server {
    let connection = Arc::new(Connection::default());
    Server::new(Arc::new(RedisProvider { connection: Arc::clone(&connection) }))
        .with_resource(InstanceResource::new(connection))
}

impl Provider for RedisProvider {
    fn schema(&self) -> &Schema {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            let about = "Redis on Kubernetes, through the OpsTree Redis operator. Arguments that the block \
                         omits are taken from the environment, then from a kubeconfig, then from the pod \
                         that runs Terraform.";
            Schema::new(0, about, Block::attributes())
        });
        &SCHEMA
    }

    fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        match settings(config) {
            Ok(settings) => settings
                .check()
                .err()
                .map(|error| {
                    Diagnostic::error("The provider block does not fit together", format!("{error}."))
                })
                .into_iter()
                .collect(),
            Err(_) => Vec::new(),
        }
    }

    fn configure(&self, config: &Value, terraform_version: &str) -> Vec<Diagnostic> {
        tracing::debug!(terraform_version, "configuring");
        self.connection.set_domain(match config.get("cluster_domain") {
            Value::Unknown => None,
            domain => Some(domain.as_str().unwrap_or(DOMAIN).to_owned()),
        });
        match settings(config) {
            Ok(settings) => self.connection.set(Cluster::new(settings)),
            Err(unknown) => self.connection.set_unknown(unknown),
        }
        Vec::new()
    }
}

/// The settings of a block, or the names of its unknown attributes if there are any: an unknown attribute
/// never falls through to the environment, where it could select another cluster.
fn settings(config: &Value) -> Result<Settings, Vec<String>> {
    let mut reading = Reading::from(Path::default());
    let Some(block) = Block::read::<Known>(config, &mut reading) else {
        return Err(reading
            .problems()
            .into_iter()
            .filter_map(|problem| problem.attribute)
            .map(|path| path.to_string())
            .collect());
    };
    let Block {
        host,
        username,
        password,
        insecure,
        tls_server_name,
        client_certificate,
        client_key,
        cluster_ca_certificate,
        token,
        config_path,
        config_paths,
        config_context,
        config_context_auth_info,
        config_context_cluster,
        proxy_url,
        cluster_domain: _,
        exec,
    } = block;
    Ok(Settings {
        host,
        username,
        password: password.map(SecretString::from),
        insecure,
        tls_server_name,
        client_certificate,
        client_key: client_key.map(SecretString::from),
        cluster_ca_certificate,
        token: token.map(SecretString::from),
        config_path,
        config_paths: config_paths.unwrap_or_default(),
        config_context,
        config_context_auth_info,
        config_context_cluster,
        proxy_url,
        exec: exec.map(|ExecBlock { api_version, command, args, env }| Exec {
            api_version,
            command,
            args: args.unwrap_or_default(),
            env: env.unwrap_or_default(),
            ..Exec::default()
        }),
    })
}
