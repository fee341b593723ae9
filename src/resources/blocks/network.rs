//! Who may connect to an instance.

use std::net::IpAddr;

use crate::object;
use crate::resources::types::NamespaceName;
use crate::terraform::Value;

object! {
    /// Connections that the pods of the instance accept and open.
    pub struct NetworkPolicy {
        /// Whether to create a NetworkPolicy for all pods of the instance. The pods then accept connections from each other
        /// and from the operator, and open connections to each other and to DNS; all other connections are refused. The
        /// cluster needs a network plugin that enforces policies.
        enabled: bool = default(false),
        /// Namespaces whose pods may connect to Redis and to the sentinels. The namespace of the instance is not among them
        /// unless it is listed.
        allowed_namespaces: Vec<NamespaceName> = default(Value::List(Vec::new())),
        /// CIDR blocks from which clients may connect, such as `10.0.0.0/8`.
        allowed_cidrs: Vec<String> = default(Value::List(Vec::new())).check(|cidrs| are_cidrs(cidrs)),
    }
}

fn are_cidrs(cidrs: &[String]) -> Result<(), String> {
    match cidrs.iter().find(|cidr| !is_cidr(cidr)) {
        None => Ok(()),
        Some(other) => Err(format!("expected a CIDR block such as 10.0.0.0/8 or fd00::/8, got {other:?}")),
    }
}

fn is_cidr(cidr: &str) -> bool {
    let Some((address, length)) = cidr.split_once('/') else { return false };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    // As Kubernetes reads it: no sign, and no leading zero.
    length.parse().is_ok_and(|bits: u8| bits <= longest && bits.to_string() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidr_blocks_are_those_that_kubernetes_takes() {
        for cidr in ["10.0.0.0/8", "0.0.0.0/0", "192.168.1.7/32", "fd00::/8", "::/0"] {
            assert!(is_cidr(cidr), "{cidr}");
        }
        for cidr in
            ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/08", "10.0.0.0/+8", "fd00::/129", "all", ""]
        {
            assert!(!is_cidr(cidr), "{cidr}");
        }
    }
}
