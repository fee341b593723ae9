//! What the server refuses: quota, admission, rights, credentials, certificates.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use terraform_provider_redis::kubernetes::{
    Cause, Cluster, Content, Lookup, Metadata as _, ObjectRef, Propagation, Selection, Settings,
};
use tokio::time::Instant;

use crate::{
    ACCOUNT, CONFIG_MAP, DEFINITION, NAMESPACE, NAMESPACES, POD, POLICY, POLICY_BINDING, QUOTA, SECRET,
    STATEFUL_SET, eventually, gone, how, kubectl, named, soon,
};

/// Quota and wrong credentials.
pub async fn refusals(cluster: &Cluster) {
    let quota = named(&QUOTA, "small");
    cluster.create(&quota, &json!({"spec": {"hard": {"count/configmaps": "0"}}}), soon()).await.unwrap();
    let error = eventually(|| async {
        let _ = cluster.delete(&named(&CONFIG_MAP, "over"), None, Propagation::Background, soon()).await;
        cluster.create(&named(&CONFIG_MAP, "over"), &json!({}), soon()).await.err()
    })
    .await;
    assert!(matches!(error.cause, Cause::QuotaExceeded { .. }), "{error:?}");
    println!("{error}");
    cluster.delete(&quota, None, Propagation::Background, soon()).await.unwrap();
    gone(cluster, &quota).await;

    let namespace = ObjectRef::cluster_wide(&NAMESPACES, NAMESPACE);
    let enforce =
        |level: Value| json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}});
    cluster.merge_patch(&namespace, &enforce(json!("restricted")), None, soon()).await.unwrap();
    let pod = json!({"spec": {"containers": [{"name": "a", "image": "registry.invalid/none:1"}]}});
    let error = eventually(|| async {
        let _ = cluster.delete(&named(&POD, "unsafe"), None, Propagation::Background, soon()).await;
        cluster.create(&named(&POD, "unsafe"), &pod, soon()).await.err()
    })
    .await;
    assert!(matches!(&error.cause, Cause::AdmissionDenied { by: None, .. }), "{error:?}");
    println!("{error}");
    cluster.merge_patch(&namespace, &enforce(Value::Null), None, soon()).await.unwrap();
    gone(cluster, &named(&POD, "unsafe")).await;

    let policy = ObjectRef::cluster_wide(&POLICY, NAMESPACE);
    let binding = ObjectRef::cluster_wide(&POLICY_BINDING, NAMESPACE);
    let rules = json!({"spec": {
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]},
        ]},
        "validations": [{"expression": "object.metadata.name != 'denied'", "message": "not by this name"}],
    }});
    let bound = json!({"spec": {
        "policyName": NAMESPACE,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}},
    }});
    cluster.apply(&policy, &rules, how(true, None)).await.unwrap();
    cluster.apply(&binding, &bound, how(true, None)).await.unwrap();
    let denied = named(&CONFIG_MAP, "denied");
    let error = eventually(|| async {
        let _ = cluster.delete(&denied, None, Propagation::Background, soon()).await;
        cluster.apply(&denied, &json!({}), how(false, None)).await.err()
    })
    .await;
    assert!(matches!(&error.cause, Cause::AdmissionDenied { by: Some(_), .. }), "{error:?}");
    println!("{error}");
    gone(cluster, &binding).await;
    gone(cluster, &policy).await;
}

/// What a token with few rights meets.
pub async fn rights(cluster: &Cluster, path: &str) {
    cluster.create(&named(&ACCOUNT, "poor"), &json!({}), soon()).await.unwrap();
    let token = kubectl(&["create", "token", "poor"]);
    kubectl(&["create", "role", "poor", "--verb=get", "--resource=secrets"]);
    kubectl(&[
        "create",
        "rolebinding",
        "poor",
        "--role=poor",
        "--serviceaccount=kubernetes-module-test:poor",
    ]);
    let config: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_default();
    let Some(server) = config["clusters"][0]["cluster"]["server"].as_str() else {
        println!("skipped: rights (the kubeconfig is not JSON)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.kubeconfig");
    let mut without_user = config.clone();
    without_user["contexts"][0]["context"]["user"] = Value::Null;
    std::fs::write(&ca, without_user.to_string()).unwrap();
    let with = |token: &str| {
        Cluster::new(Settings {
            host: Some(server.to_owned()),
            config_path: Some(ca.display().to_string()),
            token: Some(SecretString::from(token)),
            ..Settings::default()
        })
    };

    let poor = with(token.trim());
    let error = poor.list(&STATEFUL_SET, Some(NAMESPACE), None, soon()).await.unwrap_err();
    println!("{error}");
    let Cause::Forbidden { user, verb, resource, namespace } = &error.cause else { panic!("{error:?}") };
    assert_eq!(user.as_deref(), Some("system:serviceaccount:kubernetes-module-test:poor"));
    assert_eq!((verb.as_str(), resource.as_str()), ("list", "statefulsets.apps"));
    assert_eq!(namespace.as_deref(), Some(NAMESPACE));
    let error = poor.get(&ObjectRef::cluster_wide(&DEFINITION, "a"), soon()).await.unwrap_err();
    assert!(matches!(&error.cause, Cause::Forbidden { namespace: None, .. }), "{error:?}");
    println!("{error}");
    // It may get Secrets but not list them.
    let found = poor.get_shared(&named(&SECRET, "shared"), Content::Metadata, soon()).await.unwrap();
    assert_eq!(found.found().unwrap().name(), "shared");

    let began = Instant::now();
    let mut watched = poor.watch(vec![Selection::one(&named(&STATEFUL_SET, "a"))]);
    let error = watched.changed().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Forbidden { .. }), "{error:?}");
    assert!(began.elapsed() > Duration::from_secs(7) && began.elapsed() < Duration::from_secs(12));
    println!("{error}");

    let error = with("wrong").get(&named(&SECRET, "shared"), soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unauthorized { .. }), "{error:?}");
    println!("{error}");

    // The same token from a plugin and from a file.
    let exec = terraform_provider_redis::kubernetes::Exec {
        api_version: "client.authentication.k8s.io/v1".to_owned(),
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), r#"echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$TOKEN\"}}""#.to_owned()],
        env: BTreeMap::from([("TOKEN".to_owned(), token.trim().to_owned())]),
        ..Default::default()
    };
    let by_plugin = Cluster::new(Settings {
        config_path: Some(ca.display().to_string()),
        exec: Some(exec),
        ..Settings::default()
    });
    assert!(matches!(by_plugin.get(&named(&SECRET, "shared"), soon()).await.unwrap(), Lookup::Found(_)));
}

/// What TLS refuses, and a client certificate that a plugin gives.
pub async fn certificates(path: &str) {
    let config: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_default();
    let (entry, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
    let (Some(server), Some(certificate), Some(key)) = (
        entry["server"].as_str(),
        user["client-certificate-data"].as_str().map(decoded),
        user["client-key-data"].as_str().map(decoded),
    ) else {
        println!("skipped: certificates (the kubeconfig holds none)");
        return;
    };
    let namespace = ObjectRef::cluster_wide(&NAMESPACES, NAMESPACE);
    let to = || Settings { host: Some(server.to_owned()), ..Settings::default() };

    let error = Cluster::new(to()).get(&namespace, soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Tls(_)), "{error:?}");
    println!("{error}");
    let ca = entry["certificate-authority-data"].as_str().map(decoded).unwrap();
    let other_name = Settings {
        cluster_ca_certificate: Some(ca.clone()),
        tls_server_name: Some("other.example.org".to_owned()),
        ..to()
    };
    let error = Cluster::new(other_name).get(&namespace, soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Tls(_)), "{error:?}");
    println!("{error}");
    let insecure = Settings { insecure: Some(true), ..to() };
    let error = Cluster::new(insecure).get(&namespace, soon()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unauthorized { .. } | Cause::Forbidden { .. }), "{error:?}");
    println!("{error}");

    let given = json!({"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",
        "status": {"clientCertificateData": certificate, "clientKeyData": key}});
    let exec = terraform_provider_redis::kubernetes::Exec {
        api_version: "client.authentication.k8s.io/v1beta1".to_owned(),
        command: "printenv".to_owned(),
        args: vec!["GIVEN".to_owned()],
        env: BTreeMap::from([("GIVEN".to_owned(), given.to_string())]),
        ..Default::default()
    };
    let by_plugin = Settings { cluster_ca_certificate: Some(ca.clone()), exec: Some(exec), ..to() };
    assert!(matches!(Cluster::new(by_plugin).get(&namespace, soon()).await.unwrap(), Lookup::Found(_)));
    let by_block = Settings {
        cluster_ca_certificate: Some(ca),
        client_certificate: Some(certificate),
        client_key: Some(SecretString::from(key)),
        ..to()
    };
    assert!(matches!(Cluster::new(by_block).get(&namespace, soon()).await.unwrap(), Lookup::Found(_)));
}

fn decoded(text: &str) -> String {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
}
