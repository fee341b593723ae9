//! Which cluster, and as whom: the provider block's settings, resolved.
//!
//! The names and environment variables are those of `hashicorp/kubernetes`, plus `KUBECONFIG`. Precedence, from
//! strong to weak: provider block, environment, kubeconfig, the pod we run in. Two choices are made whole, never
//! mixed from several sources, because a mixture sends one cluster's secrets to another:
//!
//! - *the kubeconfig*: the block's `config_path(s)`; else `KUBE_CONFIG_PATH(S)`; else `KUBECONFIG`. The
//!   environment's are not read when the block itself names a `host`, `KUBECONFIG` not when anything does.
//! - *the credential*: the block's, else the environment's, else the kubeconfig user's, else the pod's.
//!
//! If the block names a cluster (`host`, `config_path` or `config_paths`), no variable of the environment that is about
//! a cluster counts: neither `KUBE_HOST` nor `KUBE_TOKEN`, `KUBE_CTX`, `KUBE_INSECURE` and so on.
//!
//! There is no fall-back to `localhost` and none to `~/.kube/config`: which cluster is changed is always said.
//! Everything here is a plain function of its arguments; the files are read through a closure.

use std::path::{Path, PathBuf};

use http::Uri;
use secrecy::SecretString;

use super::config::{
    ConfigError, Credential, Environment, Identity, Impersonate, Proxy, ReadFile, Resolved, Settings,
};
use super::kubeconfig::{self, FromKubeconfig, Overrides};

/// Where a pod finds its service account.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const SERVICE_ACCOUNT_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// The environment's credentials.
const CREDENTIALS: [&str; 3] = ["KUBE_TOKEN", "KUBE_USER", "KUBE_CLIENT_CERT_DATA"];

/// What separates several paths in one environment variable.
const PATH_SEPARATOR: char = if cfg!(windows) { ';' } else { ':' };

/// Chooses the cluster and the credential; see the top of this file for the rules.
///
/// # Errors
/// The first thing that is missing or wrong, naming the source it was looked for in.
pub fn resolve(
    settings: &Settings,
    environment: Environment<'_>,
    read_file: ReadFile<'_>,
) -> Result<Resolved, ConfigError> {
    settings.check()?;
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
    let secret = |name: &str| variable(name).map(SecretString::from);

    let file = kubeconfig_paths(settings, &variable);
    // From here on: what the environment says about a cluster counts only for the cluster that it names itself.
    let is_named_by_block =
        settings.host.is_some() || settings.config_path.is_some() || !settings.config_paths.is_empty();
    let anywhere = variable;
    let variable = |name: &str| anywhere(name).filter(|_| !is_named_by_block);
    let overrides = Overrides {
        context: settings.config_context.clone().or_else(|| variable("KUBE_CTX")),
        user: settings.config_context_auth_info.clone().or_else(|| variable("KUBE_CTX_AUTH_INFO")),
        cluster: settings.config_context_cluster.clone().or_else(|| variable("KUBE_CTX_CLUSTER")),
    };
    let base = match file {
        Some(paths) => Some(kubeconfig::load(&paths.paths, &paths.origin, &overrides, read_file)?),
        None => None,
    };

    let host = setting(&settings.host, "host", &variable, "KUBE_HOST");
    let (base, server, origin) = match (base, host) {
        (Some(base), None) => {
            let (server, origin) = (base.server()?, base.origin.clone());
            (base, server, origin)
        }
        (base, Some((host, origin))) => {
            let server = parse_host(&host).ok_or(ConfigError::BadUrl {
                what: "`host`",
                origin: origin.clone(),
                example: "https://10.0.0.1:6443",
            })?;
            (base.unwrap_or_default(), server, origin)
        }
        (None, None) => {
            let base = in_cluster(&variable, read_file)?;
            let (server, origin) = (base.server()?, base.origin.clone());
            (base, server, origin)
        }
    };

    let insecure = settings.insecure.or_else(|| variable("KUBE_INSECURE").map(|text| is_true(&text)));
    let ca = settings.cluster_ca_certificate.clone().or_else(|| variable("KUBE_CLUSTER_CA_CERT_DATA"));
    let insecure = insecure.unwrap_or(base.insecure && ca.is_none());
    let chosen = settings.proxy_url.clone().or_else(|| variable("KUBE_PROXY_URL")).or(base.proxy_url);
    let either = |upper: &str, lower: &str| secret(upper).or_else(|| secret(lower));

    let ours = own_credential(settings, &variable, &anywhere)?;
    let (credential, identity, credential_origin, impersonate) = match ours {
        Some((credential, identity, origin)) => (credential, identity, origin, Impersonate::default()),
        None => {
            let is_nobody = matches!(base.credential, Credential::None) && base.identity.is_none();
            let unused = CREDENTIALS.iter().find(|name| is_nobody && anywhere(name).is_some());
            let origin = unused.filter(|_| is_named_by_block).map_or(base.credential_origin, |unused| {
                format!("nothing: {unused} in the environment is not used, since the provider block names the cluster")
            });
            (base.credential, base.identity, origin, base.impersonate)
        }
    };
    Ok(Resolved {
        origin,
        server,
        certificate_authority: ca.or(base.certificate_authority).filter(|_| !insecure),
        insecure,
        tls_server_name: settings
            .tls_server_name
            .clone()
            .or_else(|| variable("KUBE_TLS_SERVER_NAME"))
            .or(base.tls_server_name),
        proxy: Proxy {
            chosen: chosen.map(SecretString::from),
            https: either("HTTPS_PROXY", "https_proxy"),
            http: either("HTTP_PROXY", "http_proxy"),
            except: anywhere("NO_PROXY").or_else(|| anywhere("no_proxy")).unwrap_or_default(),
        },
        identity,
        credential,
        credential_origin,
        impersonate,
    })
}

/// Kubeconfigs to read, and who named them.
struct Paths {
    paths: Vec<PathBuf>,
    origin: String,
}

fn kubeconfig_paths(settings: &Settings, variable: Environment<'_>) -> Option<Paths> {
    let home = variable("HOME").or_else(|| variable("USERPROFILE"));
    let expand = |path: &str| expand_home(path, home.as_deref());
    let split =
        |list: String| list.split(PATH_SEPARATOR).filter(|path| !path.is_empty()).map(expand).collect();
    let named = |paths: Vec<PathBuf>, origin: &str| {
        (!paths.is_empty()).then(|| Paths { paths, origin: origin.to_owned() })
    };
    let block = named(settings.config_path.iter().map(|path| expand(path)).collect(), "`config_path`")
        .or_else(|| named(settings.config_paths.iter().map(|path| expand(path)).collect(), "`config_paths`"));
    if block.is_some() || settings.host.is_some() {
        return block;
    }
    let ours = named(
        variable("KUBE_CONFIG_PATH").map(|path| expand(&path)).into_iter().collect(),
        "KUBE_CONFIG_PATH",
    )
    .or_else(|| named(variable("KUBE_CONFIG_PATHS").map(split).unwrap_or_default(), "KUBE_CONFIG_PATHS"));
    if ours.is_some() || variable("KUBE_HOST").is_some() {
        return ours;
    }
    named(variable("KUBECONFIG").map(split).unwrap_or_default(), "KUBECONFIG")
}

/// The credential that the block holds, else the one of the environment. A pair that is half in the block (a
/// certificate in the file, its key in the environment) is completed from `anywhere`.
fn own_credential(
    settings: &Settings,
    variable: Environment<'_>,
    anywhere: Environment<'_>,
) -> Result<Option<(Credential, Option<Identity>, String)>, ConfigError> {
    let in_block = settings.token.is_some()
        || settings.exec.is_some()
        || settings.username.is_some()
        || settings.client_certificate.is_some();
    let origin = if in_block { "the provider block" } else { "the environment" }.to_owned();
    let from = |block: Option<String>, name: &str| block.or_else(|| variable(name).filter(|_| !in_block));
    let completed = |block: &Option<SecretString>, name: &str| {
        block.clone().or_else(|| anywhere(name).map(SecretString::from))
    };

    let identity = match from(settings.client_certificate.clone(), "KUBE_CLIENT_CERT_DATA") {
        None => None,
        Some(certificate) => match completed(&settings.client_key, "KUBE_CLIENT_KEY_DATA") {
            Some(key) => Some(Identity { certificate, key }),
            None => {
                let (present, missing) = ("client_certificate", "client_key");
                return Err(ConfigError::Incomplete { present, missing, origin });
            }
        },
    };
    let token = match &settings.token {
        Some(token) => Some(token.clone()),
        None => from(None, "KUBE_TOKEN").map(SecretString::from),
    };
    let credential = if let Some(exec) = &settings.exec {
        Credential::Exec(exec.clone())
    } else if let Some(token) = token {
        Credential::Token(token)
    } else if let Some(username) = from(settings.username.clone(), "KUBE_USER") {
        let Some(password) = completed(&settings.password, "KUBE_PASSWORD") else {
            return Err(ConfigError::Incomplete { present: "username", missing: "password", origin });
        };
        Credential::Basic { username, password }
    } else {
        Credential::None
    };
    let any = identity.is_some() || !matches!(credential, Credential::None);
    Ok(any.then_some((credential, identity, origin)))
}

/// The service account of the pod we run in.
fn in_cluster(variable: Environment<'_>, read_file: ReadFile<'_>) -> Result<FromKubeconfig, ConfigError> {
    let (Some(host), Some(port)) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
    else {
        return Err(ConfigError::NothingConfigured);
    };
    let read = |what, path: &str| {
        let fail = |source| ConfigError::ReadFile {
            what,
            path: path.into(),
            origin: "KUBERNETES_SERVICE_HOST says that this is a pod".to_owned(),
            source,
        };
        read_file(Path::new(path)).map_err(fail)
    };
    read("the service account's token", SERVICE_ACCOUNT_TOKEN)?;
    let certificate_authority = read("the service account's CA", SERVICE_ACCOUNT_CA)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Ok(FromKubeconfig {
        origin: "the service account of this pod".to_owned(),
        credential_origin: "the service account of this pod".to_owned(),
        server: Some(format!("https://{host}:{port}")),
        certificate_authority: Some(certificate_authority),
        credential: Credential::TokenFile(SERVICE_ACCOUNT_TOKEN.into()),
        ..FromKubeconfig::default()
    })
}

fn setting(
    block: &Option<String>,
    name: &str,
    variable: Environment<'_>,
    variable_name: &str,
) -> Option<(String, String)> {
    match block {
        Some(value) => Some((value.clone(), format!("`{name}` of the provider block"))),
        None => variable(variable_name).map(|value| (value, format!("{variable_name} in the environment"))),
    }
}

/// A host name or URL; without a scheme it means https, as in kubectl.
pub(super) fn parse_host(text: &str) -> Option<Uri> {
    let text = text.trim().trim_end_matches('/');
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

fn expand_home(path: &str, home: Option<&str>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
            PathBuf::from(format!("{home}{rest}"))
        }
        _ => PathBuf::from(path),
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "t" | "true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use std::collections::HashMap;
    use std::io;

    const ONE: &str = "
current-context: dev
contexts:
- {name: dev, context: {cluster: c, user: u, namespace: n}}
- {name: other, context: {cluster: d, user: v}}
clusters:
- {name: c, cluster: {server: 'https://c:6443', certificate-authority: ca.pem, tls-server-name: kubernetes}}
- {name: d, cluster: {server: 'https://d:6443', insecure-skip-tls-verify: true, proxy-url: 'socks5://p:1080'}}
users:
- {name: u, user: {client-certificate-data: Q0VSVA==, client-key: /keys/key.pem}}
- {name: v, user: {tokenFile: token, as: boss, as-groups: [g]}}
- {name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, args: [a], env: [{name: K, value: v}], provideClusterInfo: true}}}
- {name: b, user: {username: me, password: secret-password}}
- {name: g, user: {auth-provider: {name: gcp}}}
";
    const TWO: &str = "
current-context: two
contexts:
- {name: two, context: {cluster: c2, user: t}}
- {name: dev, context: {cluster: c2, user: t}}
clusters:
- {name: c2, cluster: {server: 'https://c2'}}
users:
- {name: t, user: {token: secret-token}}
";

    fn files(path: &Path) -> io::Result<String> {
        let text = match path.to_str().unwrap() {
            "/k/one" => ONE,
            "/k/two" => TWO,
            "/home/me/.kube/config" => TWO,
            "/k/ca.pem" => "CA",
            "/keys/key.pem" => "KEY",
            "/k/broken" => "users:\n- name: x\n  user: {token: secret-token\n",
            "/k/empty" => "",
            SERVICE_ACCOUNT_TOKEN => "t",
            SERVICE_ACCOUNT_CA => "POD CA",
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(text.to_owned())
    }

    fn try_resolve(settings: &Settings, variables: &[(&str, &str)]) -> Result<Resolved, ConfigError> {
        let variables: HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        resolve(settings, &|name| variables.get(name).cloned(), &files)
    }

    fn at(path: &str) -> Settings {
        Settings { config_path: Some(path.to_owned()), ..Settings::default() }
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn secret(text: &str) -> Option<SecretString> {
        Some(SecretString::from(text))
    }

    /// A credential in a few words, its secret included.
    fn short(credential: &Credential) -> String {
        match credential {
            Credential::None => "none".to_owned(),
            Credential::Token(token) => format!("token {}", token.expose_secret()),
            Credential::TokenFile(path) => format!("file {}", path.display()),
            Credential::Basic { username, password } => {
                format!("basic {username}:{}", password.expose_secret())
            }
            Credential::Exec(exec) => format!("exec {}", exec.command),
        }
    }

    #[test]
    fn the_server_and_the_credential_come_from_the_strongest_source() {
        let block = |host: &str| Settings { host: text(host), ..Settings::default() };
        let context = |name: &str| Settings { config_context: text(name), ..at("/k/one") };
        let user = |name: &str| Settings { config_context_auth_info: text(name), ..at("/k/one") };
        let pod = [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
        let pod6 = [("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "443")];
        let home = [("HOME", "/home/me")];
        type Row<'a> = (&'a str, Settings, &'a [(&'a str, &'a str)], &'a str, &'a str);
        let table: Vec<Row<'_>> = vec![
            ("kubeconfig", at("/k/one"), &[], "https://c:6443/", "none"),
            ("context", context("other"), &[], "https://d:6443/", "file /k/token"),
            (
                "context of the environment",
                Settings::default(),
                &[("KUBE_CONFIG_PATH", "/k/one"), ("KUBE_CTX", "other")],
                "https://d:6443/",
                "file /k/token",
            ),
            ("block's context wins", context("dev"), &[("KUBE_CTX", "other")], "https://c:6443/", "none"),
            ("user", user("b"), &[], "https://c:6443/", "basic me:secret-password"),
            ("plugin", user("x"), &[], "https://c:6443/", "exec /k/./plugin"),
            (
                "cluster",
                Settings { config_context_cluster: text("d"), ..at("/k/one") },
                &[],
                "https://d:6443/",
                "none",
            ),
            ("home", at("~/.kube/config"), &home, "https://c2/", "token secret-token"),
            (
                "env path",
                Settings::default(),
                &[("KUBE_CONFIG_PATH", "/k/two")],
                "https://c2/",
                "token secret-token",
            ),
            (
                "env paths, first wins",
                Settings::default(),
                &[("KUBE_CONFIG_PATHS", "/k/two:/k/one")],
                "https://c2/",
                "token secret-token",
            ),
            (
                "KUBECONFIG",
                Settings::default(),
                &[("KUBECONFIG", "/k/gone:/k/one:/k/two")],
                "https://c:6443/",
                "none",
            ),
            (
                "env path before KUBECONFIG",
                Settings::default(),
                &[("KUBECONFIG", "/k/one"), ("KUBE_CONFIG_PATH", "/k/two")],
                "https://c2/",
                "token secret-token",
            ),
            (
                "block before env path",
                at("/k/one"),
                &[("KUBE_CONFIG_PATH", "/k/two")],
                "https://c:6443/",
                "none",
            ),
            ("host alone", block("h"), &[], "https://h/", "none"),
            (
                "host takes nobody's kubeconfig",
                block("h"),
                &[("KUBE_CONFIG_PATH", "/k/two"), ("KUBECONFIG", "/k/two")],
                "https://h/",
                "none",
            ),
            (
                "host over its own kubeconfig",
                Settings { host: text("http://h:1/"), ..at("/k/two") },
                &[],
                "http://h:1/",
                "token secret-token",
            ),
            (
                "env host",
                Settings::default(),
                &[("KUBE_HOST", "h"), ("KUBECONFIG", "/k/two")],
                "https://h/",
                "none",
            ),
            ("block host before env host", block("h"), &[("KUBE_HOST", "i")], "https://h/", "none"),
            ("no env token for the block's host", block("h"), &[("KUBE_TOKEN", "t")], "https://h/", "none"),
            (
                "env token for the env host",
                Settings::default(),
                &[("KUBE_HOST", "h"), ("KUBE_TOKEN", "t")],
                "https://h/",
                "token t",
            ),
            (
                "no env host for the block's kubeconfig",
                at("/k/two"),
                &[("KUBE_HOST", "evil"), ("KUBE_INSECURE", "true"), ("KUBE_TOKEN", "t")],
                "https://c2/",
                "token secret-token",
            ),
            (
                "block token before env token",
                Settings { token: secret("a"), ..block("h") },
                &[("KUBE_TOKEN", "t")],
                "https://h/",
                "token a",
            ),
            (
                "block user before env token",
                Settings { username: text("u"), password: secret("p"), ..block("h") },
                &[("KUBE_TOKEN", "t")],
                "https://h/",
                "basic u:p",
            ),
            (
                "half a pair is completed",
                Settings { username: text("u"), ..block("h") },
                &[("KUBE_PASSWORD", "p")],
                "https://h/",
                "basic u:p",
            ),
            (
                "env user",
                Settings::default(),
                &[("KUBE_HOST", "h"), ("KUBE_USER", "u"), ("KUBE_PASSWORD", "p")],
                "https://h/",
                "basic u:p",
            ),
            (
                "token over the kubeconfig's user",
                Settings { token: secret("a"), ..at("/k/two") },
                &[],
                "https://c2/",
                "token a",
            ),
            (
                "empty variables are none",
                at("/k/one"),
                &[("KUBE_TOKEN", ""), ("KUBE_HOST", "")],
                "https://c:6443/",
                "none",
            ),
            (
                "pod",
                Settings::default(),
                &pod,
                "https://10.0.0.1:443/",
                "file /var/run/secrets/kubernetes.io/serviceaccount/token",
            ),
            (
                "pod, IPv6",
                Settings::default(),
                &pod6,
                "https://[fd00::1]:443/",
                "file /var/run/secrets/kubernetes.io/serviceaccount/token",
            ),
        ];
        for (name, settings, variables, server, credential) in table {
            let resolved =
                try_resolve(&settings, variables).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                (resolved.server.to_string(), short(&resolved.credential)),
                (server.to_owned(), credential.to_owned()),
                "{name}"
            );
        }
    }

    #[test]
    fn everything_else_of_a_kubeconfig_is_used() {
        let one = try_resolve(&at("/k/one"), &[]).unwrap();
        let identity = one.identity.unwrap();
        assert_eq!((identity.certificate.as_str(), identity.key.expose_secret()), ("CERT", "KEY"));
        assert_eq!(one.certificate_authority.as_deref(), Some("CA"));
        assert_eq!(one.tls_server_name.as_deref(), Some("kubernetes"));
        assert_eq!(one.origin, "the kubeconfig /k/one (`config_path`), context \"dev\"");
        let other = Settings { config_context: text("other"), ..at("/k/one") };
        let other = try_resolve(&other, &[("HTTPS_PROXY", "http://q")]).unwrap();
        assert!(other.insecure && other.certificate_authority.is_none());
        assert_eq!(other.proxy.chosen.unwrap().expose_secret(), "socks5://p:1080");
        assert_eq!(
            (other.impersonate.user, other.impersonate.groups),
            (text("boss"), Some(vec!["g".to_owned()]))
        );
        let plugin = Settings { config_context_auth_info: text("x"), ..at("/k/one") };
        let Credential::Exec(exec) = try_resolve(&plugin, &[]).unwrap().credential else { panic!() };
        assert_eq!(exec.cluster.unwrap()["server"], "https://c:6443");
        assert_eq!((exec.args, exec.env["K"].as_str()), (vec!["a".to_owned()], "v"));
    }

    #[test]
    fn a_credential_of_ours_acts_as_nobody_else() {
        let settings = Settings { config_context: text("other"), token: secret("t"), ..at("/k/one") };
        let resolved = try_resolve(&settings, &[]).unwrap();
        assert_eq!(resolved.impersonate, Impersonate::default());
        assert!(resolved.identity.is_none());
    }

    #[test]
    fn a_certificate_of_ours_ends_what_the_kubeconfig_left_unsafe() {
        let settings =
            Settings { config_context: text("other"), cluster_ca_certificate: text("MINE"), ..at("/k/one") };
        let resolved = try_resolve(&settings, &[]).unwrap();
        assert!(!resolved.insecure);
        assert_eq!(resolved.certificate_authority.as_deref(), Some("MINE"));
    }

    #[test]
    fn errors_name_the_source_and_no_secret() {
        let context = |name: &str| Settings { config_context: text(name), ..at("/k/one") };
        let user = |name: &str| Settings { config_context_auth_info: text(name), ..at("/k/one") };
        let pod = [("KUBERNETES_SERVICE_HOST", "h"), ("KUBERNETES_SERVICE_PORT", "443")];
        let cases: Vec<(Settings, &[(&str, &str)])> = vec![
            (Settings::default(), &[]),
            (at("/k/gone"), &[]),
            (Settings::default(), &[("KUBECONFIG", "/k/gone:/k/gone2")]),
            (at("/k/broken"), &[]),
            (at("/k/empty"), &[]),
            (context("nope"), &[]),
            (user("nope"), &[]),
            (user("g"), &[]),
            (Settings { config_context_cluster: text("nope"), ..at("/k/one") }, &[]),
            (Settings { host: text("ftp://h"), ..Settings::default() }, &[]),
            (Settings { host: text("h"), username: text("u"), ..Settings::default() }, &[]),
            (Settings { host: text("h"), client_certificate: text("c"), ..Settings::default() }, &[]),
            (Settings { token: secret("secret-token"), username: text("u"), ..at("/k/one") }, &[]),
            (Settings { config_paths: vec!["/k/two".to_owned()], ..at("/k/one") }, &[]),
            (Settings::default(), &pod),
        ];
        let shown: Vec<String> = cases
            .into_iter()
            .map(|(settings, variables)| {
                let error = match try_resolve(&settings, variables) {
                    Err(error) => error,
                    // Only the pod resolves here: its files are there.
                    Ok(resolved) => return resolved.origin,
                };
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("secret"), "{shown}");
                error.to_string()
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    proptest::proptest! {
        #[test]
        fn no_host_makes_it_panic(host in ".*") {
            let _ = parse_host(&host);
        }

        #[test]
        fn only_a_leading_tilde_is_home(path in "[^~]{0,20}") {
            proptest::prop_assert_eq!(expand_home(&path, Some("/h")), PathBuf::from(path));
        }
    }
}
